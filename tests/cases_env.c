/* The environment of a case: memory, results, attributes, shapes, comparing. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

/* ---- results ---- */

static void set_detail(cs_env *e, const char *fmt, va_list args) {
    vsnprintf(e->detail, sizeof e->detail, fmt, args);
}

int cs_fail(cs_env *e, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    set_detail(e, fmt, args);
    va_end(args);
    return CS_FAIL;
}

int cs_skip(cs_env *e, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    set_detail(e, fmt, args);
    va_end(args);
    return CS_SKIP;
}

int cs_fail_lib(cs_env *e) {
    return cs_fail(e, "%s", modnas_errmsg(e->ctx));
}

const cs_op *cs_op_of(const cs_env *e) {
    const int torch = strcmp(e->c->domain, "torch") == 0;
    const cs_op *ops = torch ? cs_torch_ops : cs_onnx_ops;
    const int n = torch ? cs_n_torch_ops : cs_n_onnx_ops;
    for (int i = 0; i < n; i++)
        if (strcmp(ops[i].name, e->c->op) == 0) return &ops[i];
    return NULL;
}

/* ---- memory ---- */

void *cs_alloc(cs_env *e, int64_t count, size_t size) {
    void *block = calloc((size_t)count + 1, size);
    void **blocks = realloc(e->blocks, sizeof *blocks * (size_t)(e->n_blocks + 1));
    if (!block || !blocks) {
        fprintf(stderr, "out of memory in case %s\n", e->c->name);
        exit(2);
    }
    e->blocks = blocks;
    e->blocks[e->n_blocks++] = block;
    return block;
}

double *cs_reals(cs_env *e, int64_t n) {
    return cs_alloc(e, n, sizeof(double));
}

void cs_end_case(cs_env *e) {
    cs_net_free(e);
    for (int32_t i = 0; i < e->n_blocks; i++) free(e->blocks[i]);
    free(e->blocks);
    e->blocks = NULL;
    e->n_blocks = 0;
}

/* ---- tensors ---- */

static const cs_tensor *find(const cs_tensor *t, int32_t n, const char *name) {
    for (int32_t i = 0; i < n; i++)
        if (t[i].given && strcmp(t[i].name, name) == 0) return &t[i];
    return NULL;
}

const cs_tensor *cs_in(const cs_env *e, const char *name) {
    return find(e->c->in, e->c->n_in, name);
}

const cs_tensor *cs_out(const cs_env *e, const char *name) {
    return find(e->c->out, e->c->n_out, name);
}

int cs_need(cs_env *e, const char *name, const cs_tensor **t) {
    *t = cs_in(e, name);
    return *t ? CS_OK : cs_fail(e, "the case has no input %s", name);
}

const cs_tensor *cs_nth(const cs_env *e, int32_t i) {
    return i < e->c->n_in && e->c->in[i].given ? &e->c->in[i] : NULL;
}

int cs_need_inputs(cs_env *e, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (!cs_nth(e, i)) return cs_fail(e, "the case has no input %d of %d", (int)i + 1, (int)n);
    return e->c->n_out > 0 ? CS_OK : cs_fail(e, "the case has no output");
}

/* ---- attributes ---- */

/* Where the value of a key begins; NULL if it is absent. */
static const char *value_of(const cs_env *e, const char *key) {
    const size_t n = strlen(key);
    for (const char *at = e->c->attrs; *at; at += strspn(at, " ")) {
        if (strncmp(at, key, n) == 0 && at[n] == '=') return at + n + 1;
        at += strcspn(at, " ");
    }
    return NULL;
}

int cs_has_attr(const cs_env *e, const char *key) {
    return value_of(e, key) != NULL;
}

int cs_attr_text(const cs_env *e, const char *key, char *out, size_t n) {
    const char *value = value_of(e, key);
    if (!value) return 0;
    snprintf(out, n, "%.*s", (int)strcspn(value, " "), value);
    return 1;
}

int cs_attr_is(const cs_env *e, const char *key, const char *value) {
    char text[64];
    return cs_attr_text(e, key, text, sizeof text) && strcmp(text, value) == 0;
}

double cs_attr_real(const cs_env *e, const char *key, double absent) {
    char text[64];
    double x;
    if (!cs_attr_text(e, key, text, sizeof text)) return absent;
    if (strcmp(text, "True") == 0 || strcmp(text, "true") == 0) return 1;
    return mn_parse_real(text, &x) == 0 ? x : 0;
}

int64_t cs_attr_int(const cs_env *e, const char *key, int64_t absent) {
    const double x = cs_attr_real(e, key, (double)absent);
    return x >= -9e15 && x <= 9e15 ? (int64_t)x : absent;
}

int32_t cs_attr_ints(const cs_env *e, const char *key, int64_t *out, int32_t max) {
    char text[256];
    int32_t n = 0;
    if (!cs_attr_text(e, key, text, sizeof text)) return 0;
    for (char *at = text; *at;) {
        char *end;
        const long long x = strtoll(at, &end, 10);
        if (end == at || (*end && *end != ',')) return 0;
        if (n == max) return -1;
        out[n++] = x;
        at = *end ? end + 1 : end;
    }
    return n;
}

/* ---- shapes ---- */

int64_t cs_product(const int64_t *dims, int32_t from, int32_t to) {
    int64_t n = 1;
    for (int32_t i = from; i < to; i++) n *= dims[i];
    return n;
}

void cs_fold(const cs_tensor *t, int64_t dims[4]) {
    const int64_t *d = t->dims;
    const int64_t by_rank[5][4] = {{1, 1, 1, 1},
                                   {1, d[0], 1, 1},
                                   {d[0], d[1], 1, 1},
                                   {d[0], d[1], 1, d[2]},
                                   {d[0], d[1], d[2], t->rank > 3 ? cs_product(d, 3, t->rank) : 1}};
    memcpy(dims, by_rank[t->rank < 4 ? t->rank : 4], sizeof by_rank[0]);
}

void cs_fold_axis(const cs_tensor *t, int32_t axis, int64_t dims[4]) {
    dims[0] = cs_product(t->dims, 0, axis);
    dims[1] = t->dims[axis];
    dims[2] = cs_product(t->dims, axis + 1, t->rank);
    dims[3] = 1;
}

int cs_fold_left(const cs_tensor *t, int64_t dims[4]) {
    if (t->rank > 4) return 0;
    for (int32_t i = 0; i < 4; i++) dims[i] = i < 4 - t->rank ? 1 : t->dims[i - (4 - t->rank)];
    return 1;
}

int32_t cs_axis(const cs_tensor *t, int64_t axis) {
    if (axis < -t->rank || axis >= t->rank) return -1;
    return (int32_t)(axis < 0 ? axis + t->rank : axis);
}

double *cs_transpose(cs_env *e, const double *v, const int64_t *dims, int32_t rank, const int32_t *perm) {
    int64_t stride[CS_MAX_RANK], at[CS_MAX_RANK] = {0};
    const int64_t n = cs_product(dims, 0, rank);
    double *out = cs_reals(e, n);
    for (int32_t i = 0; i < rank; i++) stride[i] = cs_product(dims, i + 1, rank);
    for (int64_t o = 0; o < n; o++) {
        int64_t from = 0;
        for (int32_t i = 0; i < rank; i++) from += at[i] * stride[perm[i]];
        out[o] = v[from];
        for (int32_t i = rank - 1; i >= 0 && ++at[i] == dims[perm[i]]; i--) at[i] = 0;
    }
    return out;
}

/* ---- comparing ---- */

static double error_of(double got, double want) {
    if (isnan(got) && isnan(want)) return 0;
    if (got == want) return 0; /* infinities */
    return isnan(got) || isnan(want) ? INFINITY : fabs(got - want);
}

int cs_check(cs_env *e, const cs_tensor *want, const double *got, int64_t n) {
    if (n != want->n)
        return cs_fail(e, "%s has %lld elements, %lld are expected", want->name, (long long)n, (long long)want->n);
    for (int64_t i = 0; i < n; i++) {
        const double error = error_of(got[i], want->v[i]), allowed = e->atol + e->rtol * fabs(want->v[i]);
        if (error == 0) continue; /* also a NaN that is wanted */
        if (!(error <= allowed))
            return cs_fail(e, "%s[%lld] is %.9g, expected %.9g: off by %.3g, allowed %.3g", want->name, (long long)i,
                           got[i], want->v[i], error, allowed);
        if (error / allowed > e->worst) e->worst = error / allowed;
    }
    e->n_checked++;
    const size_t used = strlen(e->detail);
    if (used < 100) snprintf(e->detail + used, sizeof e->detail - used, "%s%s", used ? " " : "", want->name);
    return CS_OK;
}

int cs_check_named(cs_env *e, const char *name, const double *got, int64_t n) {
    const cs_tensor *want = cs_out(e, name);
    return want ? cs_check(e, want, got, n) : CS_OK;
}
