/* Jobs as ONNX files: each candidate alone, on images of the size that it meets at its Slot, and whole networks.
 *
 * The fixed part lies before, between and after the Slots: it is no network. Whole networks of one candidate each tell what
 * it takes (profile_import.c). */
#include <stdio.h>
#include <string.h>

#include "export/onnx.h"
#include "pipeline/profile.h"

/* A module of the model as a model of its own: what is recorded and counted is the module's. */
static int write_module(mn_profile *p, mn_module *module, const int32_t input[3], const char *job) {
    const modnas_onnx_opts opts = {.size = sizeof opts, .batch = p->opts.batch};
    mn_model part = *p->model;
    mn_str path = {.ctx = p->ctx};
    part.root = module;
    memcpy(part.input, input, sizeof part.input);
    mn_str_addf(&path, "%s/%s.onnx", p->opts.jobs_dir, job);
    const int rc = path.failed ? MODNAS_ENOMEM : mn_onnx_write(&part, &opts, input, path.text);
    mn_str_free(&path);
    return rc;
}

/* C, H, W that the first op of a row takes: a candidate begins with its source. 0: it has no ops. */
static int read_input(const mn_profile_row *r, int32_t input[3]) {
    const char *in = strstr(r->ops.text, "\"in\":[");
    return in && sscanf(in, "\"in\":[%*d,%d,%d,%d]", &input[0], &input[1], &input[2]) == 3;
}

static int is_first(const mn_profile *p, int32_t row) {
    for (int32_t i = 1; i < row; i++)
        if (strcmp(p->rows[i].job, p->rows[row].job) == 0) return 0;
    return 1;
}

static int write_checks(mn_profile *p) {
    char job[32];
    for (int32_t k = 0; k < p->opts.check_nets; k++) {
        MN_TRY(mn_profile_draw(p, k, NULL));
        snprintf(job, sizeof job, MN_PROFILE_CHECK "%d", k);
        MN_TRY(write_module(p, p->model->root, p->opts.input, job));
    }
    return 0;
}

void mn_profile_net_job(int32_t k, char *job, size_t size) {
    if (k)
        snprintf(job, size, MN_PROFILE_NET "_%d", k);
    else
        snprintf(job, size, MN_PROFILE_NET);
}

/* Of one candidate each: the k-th everywhere, as where they are timed here. */
static int write_nets(mn_profile *p) {
    char job[32];
    for (int32_t k = 0; k < p->n_nets; k++) {
        for (int32_t i = 0; i < p->n_mixed; i++)
            mn_mixed_force(mn_model_mixed(p->model, i), k % mn_model_mixed(p->model, i)->n);
        mn_profile_net_job(k, job, sizeof job);
        MN_TRY(write_module(p, p->model->root, p->opts.input, job));
    }
    return 0;
}

int mn_profile_write_jobs(mn_profile *p) {
    int32_t input[3];
    MN_TRY(mn_make_dirs(p->ctx, p->opts.jobs_dir));
    for (int32_t i = 0; i < p->n_mixed; i++) {
        const mn_mixed *m = mn_model_mixed(p->model, i);
        for (int32_t k = 0; k < m->n; k++) {
            const int32_t row = p->first[i] + k;
            if (is_first(p, row) && read_input(&p->rows[row], input))
                MN_TRY(write_module(p, mn_mixed_module(m, k), input, p->rows[row].job));
        }
    }
    MN_TRY(write_nets(p));
    return write_checks(p);
}
