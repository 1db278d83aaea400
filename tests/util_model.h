/* Models for tests: a context with the components that build them, models from YAML text, one training step. */
#ifndef UTIL_MODEL_H
#define UTIL_MODEL_H

#include "construct/construct.h"
#include "export/export.h"
#include "util_host.h"

extern util_host model_host;
extern modnas_ctx *model_ctx;

void model_setup(void);
void model_teardown(void); /* nothing may be left allocated */

/* 3 Slots: 8 -> 8 stride 1, 8 -> 16 stride 2, 16 -> 16 stride 1 */
#define MODEL_NET                                                                                                      \
    "backend: ref\n"                                                                                                   \
    "model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [1, 8, 1, 1], [3, 16, 2, 2]], n_classes: 3, input: [2, "   \
    "6, 6], width_coeff: 0}}\n"

/* The first document of a text; freed with mn_node_free. The text is called "test.yaml" in messages. */
mn_node *yaml(const char *text);
/* The committed model of a configuration in YAML, which must be right; freed with mn_model_free. */
mn_model *model_of(const char *config, int32_t dtype);
/* The same, expected to fail with this status and a message that holds all of the given texts (ends with NULL). */
void expect_refused(const char *config, int status, ...);
/* What the `export` of a configuration ("{}": the usual one) says of a model, as one line of JSON; freed with mn_free. */
char *model_exported(mn_model *m, const char *config);
void model_expect_exported(mn_model *m, const char *config, const char *json);
/* The first element of the first parameter of a configuration's model. */
double model_first_weight(const char *config);

/* On ref: an f32 model without modules, and a committed one: conv (3 -> 8, 3x3, bias), bn, pool, fc (8 -> 5). */
mn_model *model_empty(void);
mn_model *model_small(void);
mn_param *model_param(const mn_model *m, const char *name); /* which must be there */

/* A recording of model on a batch of inputs, with cross-entropy on labels n mod classes. */
typedef struct step {
    mn_run *run;
    int32_t batch;
    mn_value *x, *y, *logits, *loss;
    float *images;
    int32_t *labels;
} step;
/* images are uniform in +-1, seeded. */
void step_new(mn_model *m, int32_t batch, step *s);
void step_free(step *s);
/* Record and plan; must succeed. */
void step_record(mn_model *m, step *s, const mn_run_opts *opts);
/* Run forward, and backward if the recording has gradients; the loss. */
double step_go(step *s);
/* Compare the gradient of about 24 elements of p (f64 model, a recording with its gradients) with central differences
 * of the loss. */
void check_gradient(mn_model *m, step *s, mn_param *p);
/* The same of every weight of an f64 model, which is freed. */
void model_check_gradients(mn_model *m, int32_t batch);

/* Is the dnnl backend there? If not, a line says that `test` is skipped. */
int model_has_dnnl(const char *test);
/* One training step of each, weights alike: losses, gradients and statistics agree as f32 on two backends does. Both are
 * freed. */
void model_same_step(mn_model *ref, mn_model *other, int32_t batch, const char *what);

#endif
