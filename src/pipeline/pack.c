/* All of a search as the sections of a checkpoint, and back.
 *
 *   meta, config          what it is of: compared before anything is loaded
 *   search                which estimator is next or under way, best architectures, history
 *   model, state          tensors; choices, draws, where training is
 *   data, trainer.NAME, optim, estim.NAME, callback.NAME
 *
 * A part is a name and one function that saves and loads (base/state.h), so that both sides have the same ones. */
#include <inttypes.h>
#include <string.h>

#include "base/sections.h"
#include "modnas/version.h"
#include "pipeline/callbacks.h"
#include "pipeline/chkpt.h"

/* ---- the parts ----------------------------------------------------------------------------------------- */

static size_t n_estims(const mn_pipeline *p) {
    return p->stages.n + (p->loose != NULL);
}

static mn_estim *estim_at(const mn_pipeline *p, size_t i) {
    return i < p->stages.n ? MN_AT(p->stages, mn_stage, i).estim : p->loose;
}

/* Number of an estimator; -1: none. */
static int32_t number_of(const mn_pipeline *p, const mn_estim *e) {
    for (size_t i = 0; i < n_estims(p); i++)
        if (estim_at(p, i) == e) return (int32_t)i;
    return -1;
}

static int search_state(void *obj, mn_state *io) {
    mn_pipeline *p = obj;
    double seconds = mn_seconds() - p->started;
    int32_t begun = number_of(p, p->begun);
    MN_TRY(mn_state_range(io, &p->at, 0, (int32_t)p->stages.n));
    MN_TRY(mn_state_range(io, &p->under_way, 0, p->at < (int32_t)p->stages.n));
    MN_TRY(mn_state_range(io, &p->is_over, 0, p->at < (int32_t)p->stages.n && !p->under_way));
    MN_TRY(mn_state_range(io, &begun, -1, (int32_t)n_estims(p) - 1));
    MN_TRY(mn_state_real(io, &seconds));
    for (size_t i = 0; i < p->stages.n; i++) {
        mn_stage *s = &MN_AT(p->stages, mn_stage, i);
        MN_TRY(mn_top_state(&s->top, io));
        MN_TRY(mn_baseline_state(&s->baseline, io));
        MN_TRY(mn_recalibration_state(&s->recalibration, io));
    }
    MN_TRY(mn_history_state(&p->history, io));
    MN_TRY(mn_writer_state(&p->writer, io));
    if (!io->loading) return 0;
    p->started = mn_seconds() - seconds;
    p->begun = begun < 0 ? NULL : estim_at(p, (size_t)begun);
    if (p->begun && p->begun->trainer) mn_trainer_set_criteria(p->begun->trainer, p->begun->by_pass);
    return 0;
}

static int model_state(void *obj, mn_state *io) {
    return mn_model_state(obj, io);
}

static int data_state(void *obj, mn_state *io) {
    const mn_loaders *l = obj;
    MN_TRY(mn_state_same(io, (l->train != NULL) + 2 * (l->valid != NULL), "data sets"));
    if (l->train) MN_TRY(mn_loader_state(l->train, io));
    return l->valid ? mn_loader_state(l->valid, io) : 0;
}

static int trainer_state(void *obj, mn_state *io) {
    return mn_trainer_state(obj, io);
}

static int optim_state(void *obj, mn_state *io) {
    mn_optim *o = obj;
    const char *type = o->vt->type;
    MN_TRY(mn_state_name(io, &type));
    if (strcmp(type, o->vt->type) != 0) return mn_state_fail(io, "of a %s, here is a %s", type, o->vt->type);
    return o->vt->state(o, io);
}

static int estim_state(void *obj, mn_state *io) {
    mn_estim *e = obj;
    const mn_pipeline *p = e->search;
    return mn_estim_state(e, io, p->under_way && number_of(p, e) == p->at);
}

static int callback_state(void *obj, mn_state *io) {
    mn_callback *c = obj;
    return c->vt->state(c, io);
}

typedef int (*state_fn)(void *obj, mn_state *io);
typedef int (*part_fn)(const char *name, state_fn fn, void *obj, void *ud);

static int named_part(modnas_ctx *ctx, const char *kind, const char *name, state_fn fn, void *obj, part_fn visit,
                      void *ud) {
    mn_str full = {.ctx = ctx};
    mn_str_addf(&full, "%s.%s", kind, name);
    const int rc = full.failed ? MODNAS_ENOMEM : visit(full.text, fn, obj, ud);
    mn_str_free(&full);
    return rc;
}

typedef struct visit_to {
    modnas_ctx *ctx;
    part_fn fn;
    void *ud;
} visit_to;

static int callback_part(const char *name, mn_callback *c, void *ud) {
    const visit_to *v = ud;
    return named_part(v->ctx, "callback", name, callback_state, c, v->fn, v->ud);
}

/* The search comes first: others look at where it is. */
static int each_part(mn_pipeline *p, part_fn visit, void *ud) {
    MN_TRY(visit("search", search_state, p, ud));
    MN_TRY(visit("state", model_state, p->model, ud));
    MN_TRY(visit("data", data_state, &p->loaders, ud));
    for (size_t i = 0; i < p->trainers.n; i++) {
        void *t;
        const char *name = mn_map_key(&p->trainers, i, &t);
        MN_TRY(named_part(p->ctx, "trainer", name, trainer_state, t, visit, ud));
    }
    if (p->optim) MN_TRY(visit("optim", optim_state, p->optim, ud));
    for (size_t i = 0; i < n_estims(p); i++)
        MN_TRY(named_part(p->ctx, "estim", estim_at(p, i)->name, estim_state, estim_at(p, i), visit, ud));
    return mn_callbacks_visit(p, callback_part, &(visit_to){p->ctx, visit, ud});
}

/* ---- saving -------------------------------------------------------------------------------------------- */

static int add_text(mn_sections *f, const char *name, mn_str *text) {
    const size_t n = text->n;
    char *data = mn_str_take(text);
    return data ? mn_sections_add(f, name, 1, data, n) : MODNAS_ENOMEM;
}

/* Of the parts only trainers are large, and their state is the same however often it is asked for. */
static int put_trainer(mn_put_fn put, void *to, void *trainer) {
    mn_state io;
    mn_state_put_to(&io, mn_trainer_model(trainer)->ctx, "trainer", put, to);
    MN_TRY(trainer_state(trainer, &io));
    return mn_state_end(&io);
}

static int save_part(const char *name, state_fn fn, void *obj, void *ud) {
    mn_sections *f = ud;
    mn_state io;
    if (fn == trainer_state) return mn_sections_add_from(f, name, 1, put_trainer, obj);
    mn_state_save_to(&io, f->ctx, name);
    int rc = fn(obj, &io);
    if (!rc) rc = mn_state_end(&io);
    if (!rc) rc = add_text(f, name, &io.out);
    mn_state_free(&io);
    return rc;
}

static int save_model(const mn_pipeline *p, mn_sections *f) {
    if (!mn_model_committed(p->model)) return 0; /* backend: none */
    return mn_sections_add_from(f, MN_MODEL_SECTION, 1, mn_model_put, p->model);
}

static int save_config(const mn_pipeline *p, mn_sections *f) {
    mn_str text = {.ctx = p->ctx};
    mn_node_json(&text, p->tree);
    return add_text(f, "config", &text);
}

static int save_meta(const mn_pipeline *p, mn_sections *f) {
    mn_str text = {.ctx = p->ctx};
    const int rc = mn_pipeline_meta(p, &text);
    if (!rc) return add_text(f, "meta", &text);
    mn_str_free(&text);
    return rc;
}

static int check_can_save(const mn_pipeline *p, int under_way) {
    if (p->optim && !p->optim->vt->state)
        return mn_fail(p->ctx, MODNAS_EUNSUPPORTED, "%s has a state that it does not save", p->optim->vt->type);
    const mn_estim *e = under_way ? estim_at(p, (size_t)p->at) : NULL;
    if (!e || e->vt->state) return 0;
    return mn_fail(p->ctx, MODNAS_EUNSUPPORTED, "estim.%s: %s cannot go on in the middle", e->name, e->vt->type);
}

int mn_pipeline_pack(mn_pipeline *p, int under_way, mn_sections *out) {
    mn_sections f;
    MN_TRY(check_can_save(p, under_way));
    mn_sections_init(&f, p->ctx);
    p->under_way = under_way;
    int rc = save_meta(p, &f);
    if (!rc) rc = save_config(p, &f);
    if (!rc) rc = save_model(p, &f);
    if (!rc) rc = each_part(p, save_part, &f);
    if (rc)
        mn_sections_free(&f);
    else
        *out = f;
    return rc;
}

/* ---- loading ------------------------------------------------------------------------------------------- */

typedef struct loading {
    mn_pipeline *p;
    const mn_sections *file;
    const char *path;
    size_t n;
} loading;

static int find(const loading *l, const char *name, const mn_section **out) {
    *out = mn_sections_find(l->file, name);
    return *out ? 0 : mn_fail(l->p->ctx, MODNAS_EFORMAT, "%s: there is no section %s", l->path, name);
}

static int load_part(const char *name, state_fn fn, void *obj, void *ud) {
    loading *l = ud;
    const mn_section *s;
    mn_state io;
    MN_TRY(find(l, name, &s));
    l->n++;
    mn_state_load_from(&io, l->p->ctx, name, s->data, s->n, &l->p->names);
    MN_TRY(fn(obj, &io));
    return mn_state_end(&io);
}

static int find_part(const char *name, state_fn fn, void *obj, void *ud) {
    const mn_section *s;
    (void)fn, (void)obj;
    return find(ud, name, &s);
}

/* No section that a reader has to know is left; meta, config and the model are looked at apart. */
static int check_all_known(const loading *l, size_t n_known) {
    size_t n = 0;
    for (size_t i = 0; i < l->file->list.n; i++) n += MN_AT(l->file->list, mn_section, i).needed != 0;
    if (n <= n_known) return 0;
    return mn_fail(l->p->ctx, MODNAS_EUNSUPPORTED, "%s: %zu sections that have to be read, %zu of them are known",
                   l->path, n, n_known);
}

int mn_pipeline_unpack(mn_pipeline *p, const mn_sections *f, const char *path) {
    loading l = {p, f, path, 2 + (size_t)mn_model_committed(p->model)};
    MN_TRY(mn_pipeline_compare(p, f, path));
    MN_TRY(check_can_save(p, 0));
    MN_TRY(each_part(p, find_part, &l));
    p->is_torn = 1;
    MN_TRY(each_part(p, load_part, &l));
    MN_TRY(check_all_known(&l, l.n));
    if (mn_model_committed(p->model)) MN_TRY(mn_model_load_section(p->model, f, path, 0));
    p->is_torn = 0;
    return 0;
}
