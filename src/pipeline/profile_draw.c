/* Random networks of a space, that a table of latencies is checked with: the k-th is the same wherever it is timed. */
#include "pipeline/profile.h"

/* Of mixed ops that share a parameter all take its option. */
static int32_t option_of(const mn_model *m, const mn_mixed *mixed, const int32_t *options) {
    const int32_t n = mn_space_n_genes(m->space);
    for (int32_t g = 0; g < n; g++)
        if (mn_space_gene(m->space, g) == mixed->param) return options[g];
    return 0;
}

int mn_profile_draw(mn_profile *p, int32_t k, int32_t *choice) {
    const int32_t n_genes = mn_space_n_genes(p->model->space);
    int32_t *options = mn_alloc(p->ctx, (size_t)n_genes, sizeof *options);
    mn_rng rng;
    if (!options) return MODNAS_ENOMEM;
    mn_rng_init(&rng, p->model->seed, mn_stream("profile.check"), (uint64_t)k);
    for (int32_t g = 0; g < n_genes; g++)
        options[g] = (int32_t)mn_rng_below(&rng, (uint64_t)mn_space_gene(p->model->space, g)->n);
    for (int32_t i = 0; i < p->n_mixed; i++) {
        mn_mixed *mixed = mn_model_mixed(p->model, i);
        const int32_t option = option_of(p->model, mixed, options);
        if (choice) choice[i] = option;
        mn_mixed_force(mixed, option);
    }
    mn_free(p->ctx, options);
    return 0;
}
