/* What a host's forward records. Each function checks what it is given before the graph sees it: values may be NULL, of
 * another tape or long gone (an address is compared, never followed), and numbers may be anything. */
#include "modnas/tape.h"

#include <string.h>

#include "host/host.h"
#include "module/layer_types.h"

enum { MAX_SIZE = 65536 }; /* of windows, strides, padding; and elements of a constant */

/* ---- checks -------------------------------------------------------------------------------------------- */

static int check_tape(const mn_run *run, const char *op, const void *dst) {
    if (!run) return MODNAS_EINVAL;
    MN_TRY(mn_check_thread(mn_run_ctx(run)));
    if (!mn_run_is_recording(run)) return mn_fail(mn_run_ctx(run), MODNAS_EINVAL, "%s: the tape is not recording", op);
    return dst ? 0 : mn_fail(mn_run_ctx(run), MODNAS_EINVAL, "%s: dst is NULL", op);
}

static int check_value(const mn_run *run, const char *op, const char *name, const mn_value *v) {
    modnas_ctx *ctx = mn_run_ctx(run);
    if (!v) return mn_fail(ctx, MODNAS_EINVAL, "%s: %s is NULL", op, name);
    return mn_run_owns(run, v) ? 0 : mn_fail(ctx, MODNAS_EINVAL, "%s: %s is of another tape", op, name);
}

/* A value to compute with, of no labels. */
static int check_real(const mn_run *run, const char *op, const char *name, const mn_value *v) {
    MN_TRY(check_value(run, op, name, v));
    if (v->dtype == mn_run_dtype(run)) return 0;
    return mn_fail(mn_run_ctx(run), MODNAS_EINVAL, "%s: %s holds labels, not numbers", op, name);
}

static int check_one(const mn_run *run, const char *op, const mn_value *src, const void *dst) {
    MN_TRY(check_tape(run, op, dst));
    return check_real(run, op, "src", src);
}

static int check_two(const mn_run *run, const char *op, const mn_value *a, const mn_value *b, const void *dst) {
    MN_TRY(check_tape(run, op, dst));
    MN_TRY(check_real(run, op, "a", a));
    return check_real(run, op, "b", b);
}

static int check_many(const mn_run *run, const char *op, mn_value *const *src, int32_t n, const void *dst) {
    MN_TRY(check_tape(run, op, dst));
    if (!src || n < 1) return mn_fail(mn_run_ctx(run), MODNAS_EINVAL, "%s: %d values%s", op, n, src ? "" : " at NULL");
    for (int32_t i = 0; i < n; i++) MN_TRY(check_real(run, op, "a value", src[i]));
    return 0;
}

/* Numbers that have to be given. */
static int check_array(const mn_run *run, const char *op, const char *name, const void *array) {
    return array ? 0 : mn_fail(mn_run_ctx(run), MODNAS_EINVAL, "%s: %s is NULL", op, name);
}

/* ---- modules ------------------------------------------------------------------------------------------- */

static int check_module(const mn_run *run, const mn_module *m, const char *fn) {
    if (!m) return mn_fail(mn_run_ctx(run), MODNAS_EINVAL, "%s: the module is NULL", fn);
    if (m->model->slab == mn_run_slab(run)) return 0;
    return mn_fail(mn_run_ctx(run), MODNAS_EINVAL, "%s: '%s' is of another model than the tape", fn,
                   m->name ? m->name : m->vt->type);
}

int modnas_forward_n(modnas_module *m, modnas_tape *tape, modnas_value *const *src, int32_t n, modnas_value **dst) {
    mn_value *v = NULL;
    MN_TRY(check_many(tape, "modnas_forward", src, n, dst));
    MN_TRY(check_module(tape, m, "modnas_forward"));
    MN_TRY(mn_forward(m, tape, src, n, &v)); /* which may write early what does not last */
    *dst = v;
    return 0;
}

int modnas_forward(modnas_module *m, modnas_tape *tape, modnas_value *src, modnas_value **dst) {
    return modnas_forward_n(m, tape, &src, 1, dst);
}

int modnas_value_dims(const modnas_tape *tape, const modnas_value *v, int64_t dims[4]) {
    if (!tape) return MODNAS_EINVAL;
    MN_TRY(mn_check_thread(mn_run_ctx(tape)));
    MN_TRY(check_value(tape, "modnas_value_dims", "the value", v));
    MN_TRY(check_array(tape, "modnas_value_dims", "dims", dims));
    memcpy(dims, v->dims, sizeof v->dims);
    return 0;
}

int32_t modnas_tape_is_training(const modnas_tape *tape) {
    return tape && mn_run_options(tape)->train;
}

/* ---- sources ------------------------------------------------------------------------------------------- */

int modnas_op_param(modnas_tape *tape, modnas_module *m, const char *name, modnas_value **dst) {
    MN_TRY(check_tape(tape, "param", dst));
    MN_TRY(check_module(tape, m, "param"));
    MN_TRY(check_array(tape, "param", "name", name));
    mn_param *p = mn_module_find_param(m, name);
    if (p && p->role == MN_ROLE_WEIGHT) return mn_use_param(tape, p, dst);
    return mn_fail(mn_run_ctx(tape), MODNAS_ENOTFOUND, "param: module '%s' has no parameter '%.80s'",
                   m->name ? m->name : m->vt->type, name);
}

int modnas_op_constant(modnas_tape *tape, const int64_t dims[4], const double *data, modnas_value **dst) {
    int64_t n = 1;
    MN_TRY(check_tape(tape, "constant", dst));
    MN_TRY(check_array(tape, "constant", "dims", dims));
    MN_TRY(check_array(tape, "constant", "data", data));
    for (int i = 0; i < 4 && n; i++) n = dims[i] < 1 || dims[i] > MAX_SIZE / n ? 0 : n * dims[i];
    if (n) return mn_const(tape, dims, data, dst);
    return mn_fail(mn_run_ctx(tape), MODNAS_ESHAPE,
                   "constant: %lld x %lld x %lld x %lld; 1 to %d elements are possible", (long long)dims[0],
                   (long long)dims[1], (long long)dims[2], (long long)dims[3], (int)MAX_SIZE);
}

int modnas_op_zeros(modnas_tape *tape, const int64_t dims[4], modnas_value **dst) {
    MN_TRY(check_tape(tape, "zeros", dst));
    MN_TRY(check_array(tape, "zeros", "dims", dims));
    return mn_zero(tape, dims, dst);
}

/* ---- windows ------------------------------------------------------------------------------------------- */

static int read_window(const mn_run *run, const char *op, const modnas_window_opts *given, modnas_window_opts *o) {
    modnas_ctx *ctx = mn_run_ctx(run);
    MN_TRY(mn_opts_read(ctx, "modnas_window_opts", given, o, sizeof *o));
    const struct {
        const char *name;
        const int32_t *at;
        size_t n;
    } fields[] = {{"kernel", o->kernel, 2},
                  {"stride", o->stride, 2},
                  {"pad", o->pad, 4},
                  {"dilation", o->dilation, 2},
                  {"groups", &o->groups, 1}};
    for (size_t i = 0; i < MN_COUNT(fields); i++)
        for (size_t k = 0; k < fields[i].n; k++)
            if (fields[i].at[k] < 0 || fields[i].at[k] > MAX_SIZE)
                return mn_fail(ctx, MODNAS_EINVAL, "%s: %s is %d, the range is 0..%d", op, fields[i].name,
                               fields[i].at[k], (int)MAX_SIZE);
    return 0;
}

int modnas_op_conv2d(modnas_tape *tape, modnas_value *src, modnas_value *weights, modnas_value *bias,
                     const modnas_window_opts *opts, modnas_value **dst) {
    modnas_window_opts o;
    MN_TRY(check_one(tape, "conv2d", src, dst));
    MN_TRY(check_real(tape, "conv2d", "weights", weights));
    if (bias) MN_TRY(check_real(tape, "conv2d", "bias", bias));
    MN_TRY(read_window(tape, "conv2d", opts, &o));
    const mn_conv_opts c = {
        {o.stride[0], o.stride[1]}, {o.pad[0], o.pad[1], o.pad[2], o.pad[3]}, {o.dilation[0], o.dilation[1]}, o.groups};
    return mn_conv2d(tape, src, weights, bias, &c, dst);
}

int modnas_op_linear(modnas_tape *tape, modnas_value *src, modnas_value *weights, modnas_value *bias,
                     modnas_value **dst) {
    MN_TRY(check_one(tape, "linear", src, dst));
    MN_TRY(check_real(tape, "linear", "weights", weights));
    if (bias) MN_TRY(check_real(tape, "linear", "bias", bias));
    return mn_linear(tape, src, weights, bias, dst);
}

/* "max" or "avg". */
static int read_pooling(const mn_run *run, const char *op, const char *how, int32_t *algo) {
    *algo = how && strcmp(how, "max") == 0 ? MODNAS_POOL_MAX : MODNAS_POOL_AVG;
    if (how && (*algo == MODNAS_POOL_MAX || strcmp(how, "avg") == 0)) return 0;
    return mn_fail(mn_run_ctx(run), MODNAS_EINVAL, "%s: '%.40s' is neither max nor avg", op, how ? how : "(NULL)");
}

int modnas_op_pool2d(modnas_tape *tape, const char *how, modnas_value *src, const modnas_window_opts *opts,
                     modnas_value **dst) {
    modnas_window_opts o;
    mn_pool_opts p = {.algo = 0};
    MN_TRY(check_one(tape, "pool2d", src, dst));
    MN_TRY(read_pooling(tape, "pool2d", how, &p.algo));
    MN_TRY(read_window(tape, "pool2d", opts, &o));
    if (o.count_pad && p.algo == MODNAS_POOL_AVG) p.algo = MODNAS_POOL_AVG_INCLUDE_PAD;
    memcpy(p.kernel, o.kernel, sizeof p.kernel);
    memcpy(p.stride, o.stride, sizeof p.stride);
    memcpy(p.pad, o.pad, sizeof p.pad);
    memcpy(p.dilation, o.dilation, sizeof p.dilation);
    p.ceil_mode = o.ceil_mode != 0;
    return mn_pool2d(tape, src, &p, dst);
}

int modnas_op_global_pool(modnas_tape *tape, const char *how, modnas_value *src, modnas_value **dst) {
    int32_t algo;
    MN_TRY(check_one(tape, "global_pool", src, dst));
    MN_TRY(read_pooling(tape, "global_pool", how, &algo));
    return mn_global_pool(tape, src, algo, dst);
}

/* ---- pointwise, over channels, losses ------------------------------------------------------------------ */

int modnas_op_activation(modnas_tape *tape, const char *name, modnas_value *src, modnas_value **dst) {
    MN_TRY(check_one(tape, "activation", src, dst));
    const int32_t act = name ? mn_activation_find(name) : -1;
    if (act >= 0) return mn_activation(tape, src, act, 0, 0, dst);
    return mn_fail(mn_run_ctx(tape), MODNAS_ENOTFOUND, "activation: none is named '%.40s'", name ? name : "(NULL)");
}

int modnas_op_dropout(modnas_tape *tape, modnas_value *src, double p, modnas_value **dst) {
    MN_TRY(check_one(tape, "dropout", src, dst));
    return mn_dropout(tape, src, p, dst);
}

int modnas_op_softmax(modnas_tape *tape, modnas_value *src, modnas_value **dst) {
    MN_TRY(check_one(tape, "softmax", src, dst));
    return mn_softmax(tape, src, 0, dst);
}

int modnas_op_log_softmax(modnas_tape *tape, modnas_value *src, modnas_value **dst) {
    MN_TRY(check_one(tape, "log_softmax", src, dst));
    return mn_softmax(tape, src, 1, dst);
}

static int cross_entropy(mn_run *run, int32_t algo, mn_value *x, mn_value *t, double param, mn_value **dst) {
    (void)algo;
    return mn_softmax_xent(run, x, t, param, dst);
}

static int nll(mn_run *run, int32_t algo, mn_value *x, mn_value *t, double param, mn_value **dst) {
    (void)algo, (void)param;
    return mn_nll(run, x, t, dst);
}

static const struct {
    const char *name;
    int (*record)(mn_run *run, int32_t algo, mn_value *x, mn_value *t, double param, mn_value **dst);
    int32_t algo;
} losses[] = {{"CrossEntropyLoss", cross_entropy, 0},
              {"NLLLoss", nll, 0},
              {"MSELoss", mn_loss, MODNAS_LOSS_MSE},
              {"L1Loss", mn_loss, MODNAS_LOSS_L1},
              {"SmoothL1Loss", mn_loss, MODNAS_LOSS_SMOOTH_L1},
              {"BCELoss", mn_loss, MODNAS_LOSS_BCE},
              {"BCEWithLogitsLoss", mn_loss, MODNAS_LOSS_BCE_LOGITS}};

int modnas_op_loss(modnas_tape *tape, const char *name, modnas_value *src, modnas_value *target, double param,
                   modnas_value **dst) {
    MN_TRY(check_one(tape, "loss", src, dst));
    MN_TRY(check_value(tape, "loss", "target", target));
    for (size_t i = 0; name && i < MN_COUNT(losses); i++)
        if (strcmp(losses[i].name, name) == 0) return losses[i].record(tape, losses[i].algo, src, target, param, dst);
    return mn_fail(mn_run_ctx(tape), MODNAS_ENOTFOUND, "loss: none is named '%.40s'", name ? name : "(NULL)");
}

/* ---- arithmetic ---------------------------------------------------------------------------------------- */

int modnas_op_add(modnas_tape *tape, modnas_value *a, modnas_value *b, modnas_value **dst) {
    MN_TRY(check_two(tape, "add", a, b, dst));
    const int same = memcmp(a->dims, b->dims, sizeof a->dims) == 0; /* then it fuses into a batch norm before it */
    return same ? mn_add(tape, a, b, dst) : mn_binary(tape, MODNAS_BINARY_ADD, a, b, dst);
}

int modnas_op_sub(modnas_tape *tape, modnas_value *a, modnas_value *b, modnas_value **dst) {
    MN_TRY(check_two(tape, "sub", a, b, dst));
    return mn_binary(tape, MODNAS_BINARY_SUB, a, b, dst);
}

int modnas_op_mul(modnas_tape *tape, modnas_value *a, modnas_value *b, modnas_value **dst) {
    MN_TRY(check_two(tape, "mul", a, b, dst));
    return mn_binary(tape, MODNAS_BINARY_MUL, a, b, dst);
}

int modnas_op_div(modnas_tape *tape, modnas_value *a, modnas_value *b, modnas_value **dst) {
    MN_TRY(check_two(tape, "div", a, b, dst));
    return mn_binary(tape, MODNAS_BINARY_DIV, a, b, dst);
}

int modnas_op_reduce(modnas_tape *tape, const char *how, modnas_value *src, const int64_t dims[4], modnas_value **dst) {
    MN_TRY(check_one(tape, "reduce", src, dst));
    MN_TRY(check_array(tape, "reduce", "dims", dims));
    const int mean = how && strcmp(how, "mean") == 0;
    if (mean || (how && strcmp(how, "sum") == 0))
        return mn_reduce(tape, mean ? MODNAS_REDUCE_MEAN : MODNAS_REDUCE_SUM, src, dims, dst);
    return mn_fail(mn_run_ctx(tape), MODNAS_EINVAL, "reduce: '%.40s' is neither sum nor mean", how ? how : "(NULL)");
}

int modnas_op_affine(modnas_tape *tape, modnas_value *src, double alpha, double beta, modnas_value **dst) {
    MN_TRY(check_one(tape, "affine", src, dst));
    return mn_activation(tape, src, MODNAS_ACT_LINEAR, alpha, beta, dst);
}

/* ---- moving -------------------------------------------------------------------------------------------- */

int modnas_op_concat(modnas_tape *tape, modnas_value *const *src, int32_t n, int32_t axis, modnas_value **dst) {
    MN_TRY(check_many(tape, "concat", src, n, dst));
    return mn_concat(tape, src, n, axis, dst);
}

int modnas_op_slice(modnas_tape *tape, modnas_value *src, const int32_t start[4], const int32_t step[4],
                    const int32_t count[4], modnas_value **dst) {
    static const int32_t ones[4] = {1, 1, 1, 1};
    MN_TRY(check_one(tape, "slice", src, dst));
    MN_TRY(check_array(tape, "slice", "start", start));
    MN_TRY(check_array(tape, "slice", "count", count));
    return mn_slice(tape, src, start, step ? step : ones, count, dst);
}

/* Part i of n along an axis of `size` elements. */
static int32_t part(const int32_t *sizes, int32_t i, int32_t n, int64_t size) {
    return sizes ? sizes[i] : (int32_t)(size / n);
}

static int check_split(const mn_run *run, const mn_value *src, int32_t axis, const int32_t *sizes, int32_t n) {
    modnas_ctx *ctx = mn_run_ctx(run);
    int64_t total = 0;
    if (n < 1 || axis < 0 || axis > 3) return mn_fail(ctx, MODNAS_EINVAL, "split: %d parts along axis %d", n, axis);
    for (int32_t i = 0; i < n; i++) total += part(sizes, i, n, src->dims[axis]);
    if (total == src->dims[axis]) return 0;
    return mn_fail(ctx, MODNAS_ESHAPE, "split: axis %d has %lld elements, %d%s parts have %lld", axis,
                   (long long)src->dims[axis], n, sizes ? "" : " equal", (long long)total);
}

int modnas_op_split(modnas_tape *tape, modnas_value *src, int32_t axis, const int32_t *sizes, int32_t n,
                    modnas_value **dst) {
    int32_t start[4] = {0}, count[4];
    MN_TRY(check_one(tape, "split", src, dst));
    MN_TRY(check_split(tape, src, axis, sizes, n));
    for (int i = 0; i < 4; i++) count[i] = (int32_t)src->dims[i];
    for (int32_t i = 0; i < n; i++, start[axis] += count[axis]) {
        count[axis] = part(sizes, i, n, src->dims[axis]);
        MN_TRY(modnas_op_slice(tape, src, start, NULL, count, &dst[i]));
    }
    return 0;
}

int modnas_op_pad(modnas_tape *tape, modnas_value *src, const int32_t before[4], const int32_t after[4], double value,
                  modnas_value **dst) {
    MN_TRY(check_one(tape, "pad", src, dst));
    MN_TRY(check_array(tape, "pad", "before", before));
    MN_TRY(check_array(tape, "pad", "after", after));
    return mn_pad(tape, src, before, after, value, dst);
}

int modnas_op_reshape(modnas_tape *tape, modnas_value *src, const int64_t dims[4], modnas_value **dst) {
    MN_TRY(check_one(tape, "reshape", src, dst));
    MN_TRY(check_array(tape, "reshape", "dims", dims));
    return mn_reshape(tape, src, dims, dst);
}

int modnas_op_shuffle(modnas_tape *tape, modnas_value *src, int32_t groups, modnas_value **dst) {
    MN_TRY(check_one(tape, "shuffle", src, dst));
    return mn_shuffle(tape, src, groups, dst);
}
