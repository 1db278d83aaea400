/* What operators that move values make of the sizes that go in, by the ONNX standard. */
#include <string.h>

#include "export/onnx_check.h"

/* The product of some sizes; MN_ONNX_ANY if one of them is that; 0: too large. */
static int64_t product(const int64_t *dims, int32_t n) {
    int64_t p = 1;
    int any = 0;
    for (int32_t i = 0; i < n; i++) {
        if (dims[i] == MN_ONNX_ANY)
            any = 1;
        else if (dims[i] < 1 || __builtin_mul_overflow(p, dims[i], &p))
            return 0;
    }
    return any ? MN_ONNX_ANY : p;
}

int mn_onnx_shape_flatten(const mn_onnx_site *s, mn_onnx_shape *out) {
    if (mn_onnx_number(s, "axis", 1) != 1 || s->in[0]->rank < 1) return mn_onnx_bad(s, "axis is not 1");
    out->rank = 2;
    out->dims[0] = s->in[0]->dims[0];
    out->dims[1] = product(s->in[0]->dims + 1, s->in[0]->rank - 1);
    return out->dims[1] > 0 ? 0 : mn_onnx_bad(s, "the sizes behind the first are not known, or too large");
}

/* 0: as it was; -1: what is left, once: the number of images goes there if it is not anywhere else. */
int mn_onnx_shape_reshape(const mn_onnx_site *s, mn_onnx_shape *out) {
    const mn_onnx_shape *in = s->in[0];
    int32_t left = -1;
    MN_TRY(mn_onnx_want_known(s, 1, -1));
    out->rank = (int32_t)s->in[1]->dims[0];
    for (int32_t i = 0; i < out->rank; i++) {
        const int64_t x = s->in[1]->ints[i];
        if (x < -1 || x > INT32_MAX || (x == 0 && i >= in->rank) || (x == -1 && left >= 0))
            return mn_onnx_bad(s, "%lld at %d of the shape", (long long)x, i);
        if (x == -1) left = i;
        out->dims[i] = x == 0 ? in->dims[i] : x == -1 ? 1 : x;
    }
    int64_t from = 1, to = 1, any = 0; /* of the sizes that are known, and how many are not */
    for (int32_t i = 0; i < in->rank; i++)
        if (in->dims[i] == MN_ONNX_ANY)
            any++;
        else if (__builtin_mul_overflow(from, in->dims[i], &from))
            return mn_onnx_bad(s, "too many elements");
    for (int32_t i = 0; i < out->rank; i++)
        if (out->dims[i] == MN_ONNX_ANY)
            any--;
        else if (__builtin_mul_overflow(to, out->dims[i], &to))
            return mn_onnx_bad(s, "too many elements");
    if (left >= 0 && any == 1 && from == to)
        out->dims[left] = MN_ONNX_ANY;
    else if (left >= 0 && any == 0 && from % to == 0)
        out->dims[left] = from / to;
    else if (left >= 0 || any != 0 || from != to)
        return mn_onnx_bad(s, "%lld elements become %lld", (long long)from, (long long)to);
    return 0;
}

int mn_onnx_shape_transpose(const mn_onnx_site *s, mn_onnx_shape *out) {
    int64_t perm[MN_ONNX_RANK], seen = 0;
    const int32_t rank = s->in[0]->rank;
    MN_TRY(mn_onnx_numbers(s, "perm", (size_t)rank, 0, INT32_MAX, perm));
    out->type = s->in[0]->type;
    out->rank = rank;
    for (int32_t i = 0; i < rank; i++) {
        if (perm[i] >= rank || seen >> perm[i] & 1) return mn_onnx_bad(s, "perm is no order of %d axes", rank);
        seen |= (int64_t)1 << perm[i];
        out->dims[i] = s->in[0]->dims[perm[i]];
    }
    return 0;
}

int mn_onnx_shape_unsqueeze(const mn_onnx_site *s, mn_onnx_shape *out) {
    const mn_onnx_shape *in = s->in[0];
    int32_t n = 0, is_new[MN_ONNX_RANK] = {0};
    MN_TRY(mn_onnx_want_known(s, 1, -1));
    if (in->rank + s->in[1]->dims[0] > MN_ONNX_RANK) return mn_onnx_bad(s, "more than %d dimensions", MN_ONNX_RANK);
    out->rank = in->rank + (int32_t)s->in[1]->dims[0];
    for (int64_t i = 0; i < s->in[1]->dims[0]; i++) {
        int32_t axis;
        MN_TRY(mn_onnx_axis(s, s->in[1]->ints[i], out->rank, &axis));
        if (is_new[axis]++) return mn_onnx_bad(s, "axis %d twice", axis);
    }
    for (int32_t i = 0; i < out->rank; i++) out->dims[i] = is_new[i] ? 1 : in->dims[n++];
    return 0;
}

int mn_onnx_shape_concat(const mn_onnx_site *s, mn_onnx_shape *out) {
    int32_t axis;
    *out = *s->in[0];
    MN_TRY(mn_onnx_axis(s, mn_onnx_number(s, "axis", MN_ONNX_RANK), out->rank, &axis));
    for (size_t i = 1; i < s->n_in; i++) {
        const mn_onnx_shape *in = s->in[i];
        MN_TRY(mn_onnx_want_rank(s, i, out->rank));
        if (in->type != out->type) return mn_onnx_bad(s, "inputs 0 and %zu are of different types", i);
        for (int32_t d = 0; d < out->rank; d++)
            if (d != axis) MN_TRY(mn_onnx_want_size(s, i, d, out->dims[d]));
        if (in->dims[axis] < 1 || out->dims[axis] < 1 || in->dims[axis] > INT32_MAX - out->dims[axis])
            return mn_onnx_bad(s, "size %d of input %zu is not known, or too large", axis, i);
        out->known = out->known && in->known && in->dims[0] + out->dims[0] <= MN_ONNX_RANK;
        if (out->known) memcpy(out->ints + out->dims[0], in->ints, (size_t)in->dims[0] * sizeof *in->ints);
        out->dims[axis] += in->dims[axis];
    }
    return 0;
}

int mn_onnx_shape_shape(const mn_onnx_site *s, mn_onnx_shape *out) {
    *out = (mn_onnx_shape){.type = MN__TENSOR_PROTO__DATA_TYPE__INT64, .rank = 1, .dims = {s->in[0]->rank}, .known = 1};
    memcpy(out->ints, s->in[0]->dims, sizeof out->ints);
    return out->dims[0] ? 0 : mn_onnx_bad(s, "input 0 has no dimensions");
}

int mn_onnx_shape_constant_of_shape(const mn_onnx_site *s, mn_onnx_shape *out) {
    MN_TRY(mn_onnx_want_known(s, 0, -1));
    out->rank = (int32_t)s->in[0]->dims[0];
    for (int32_t i = 0; i < out->rank; i++)
        if ((out->dims[i] = s->in[0]->ints[i]) == 0 || out->dims[i] < MN_ONNX_ANY)
            return mn_onnx_bad(s, "size %d is %lld", i, (long long)out->dims[i]);
    return 0;
}

/* Elements from `start` on to before `end` in steps; what leaves the axis is its end, or its first element. */
static int64_t sliced(int64_t size, int64_t start, int64_t end, int64_t step) {
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    if (start < 0) start += size;
    if (end < 0) end += size;
    start = start < 0 ? 0 : start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    const int64_t n = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
    return n > 0 ? n : 0;
}

/* Of whole numbers that are known, those that are left. */
static void keep_ints(mn_onnx_shape *out, int64_t start, int64_t step) {
    out->known = out->known && step == 1 && start >= 0 && start < MN_ONNX_RANK;
    if (out->known) memmove(out->ints, out->ints + start, (size_t)(MN_ONNX_RANK - start) * sizeof *out->ints);
}

int mn_onnx_shape_slice(const mn_onnx_site *s, mn_onnx_shape *out) {
    for (size_t i = 1; i < 5; i++)
        if (i < 3 || (s->n_in > i && s->in[i])) MN_TRY(mn_onnx_want_known(s, i, s->in[1]->dims[0]));
    *out = *s->in[0];
    for (int64_t i = 0; i < s->in[1]->dims[0]; i++) {
        const int64_t start = s->in[1]->ints[i], end = s->in[2]->ints[i];
        const int64_t step = s->n_in > 4 && s->in[4] ? s->in[4]->ints[i] : 1;
        int32_t axis;
        MN_TRY(mn_onnx_axis(s, s->n_in > 3 && s->in[3] ? s->in[3]->ints[i] : i, out->rank, &axis));
        if (!step || step < -INT32_MAX || step > INT32_MAX || out->dims[axis] < 1 || start < INT32_MIN || end < INT32_MIN ||
            start > INT32_MAX || end > INT32_MAX)
            return mn_onnx_bad(s, "%lld to %lld by %lld of axis %d", (long long)start, (long long)end, (long long)step, axis);
        keep_ints(out, start, step);
        out->dims[axis] = sliced(out->dims[axis], start, end, step);
        if (!out->dims[axis]) return mn_onnx_bad(s, "nothing is left of axis %d", axis);
    }
    return 0;
}

int mn_onnx_shape_pad(const mn_onnx_site *s, mn_onnx_shape *out) {
    mn_onnx_copy_dims(out, s->in[0]);
    MN_TRY(mn_onnx_want_known(s, 1, 2 * (int64_t)out->rank));
    if (s->n_in > 2 && s->in[2]) MN_TRY(mn_onnx_want_rank(s, 2, 0));
    for (int32_t i = 0; i < out->rank; i++) {
        const int64_t before = s->in[1]->ints[i], after = s->in[1]->ints[out->rank + i];
        if (before < 0 || after < 0 || before > INT32_MAX || after > INT32_MAX || (out->dims[i] < 1 && (before || after)))
            return mn_onnx_bad(s, "axis %d is padded by %lld and %lld", i, (long long)before, (long long)after);
        out->dims[i] += before + after;
    }
    return 0;
}

static int reduced(const mn_onnx_site *s, const int64_t *axes, size_t n, mn_onnx_shape *out) {
    if (mn_onnx_number(s, "keepdims", 1) != 1) return mn_onnx_bad(s, "keepdims is not 1");
    mn_onnx_copy_dims(out, s->in[0]);
    for (size_t i = 0; i < n; i++) {
        int32_t axis;
        MN_TRY(mn_onnx_axis(s, axes[i], out->rank, &axis));
        out->dims[axis] = 1;
    }
    return 0;
}

int mn_onnx_shape_reduce(const mn_onnx_site *s, mn_onnx_shape *out) {
    const Mn__AttributeProto *axes = mn_onnx_attribute(s->node, "axes");
    if (axes) return reduced(s, axes->ints, axes->n_ints, out);
    if (s->n_in < 2) return mn_onnx_bad(s, "no axes");
    MN_TRY(mn_onnx_want_known(s, 1, -1));
    return reduced(s, s->in[1]->ints, (size_t)s->in[1]->dims[0], out);
}

int mn_onnx_shape_gather(const mn_onnx_site *s, mn_onnx_shape *out) {
    int32_t axis;
    mn_onnx_copy_dims(out, s->in[0]);
    MN_TRY(mn_onnx_axis(s, mn_onnx_number(s, "axis", 0), out->rank, &axis));
    MN_TRY(mn_onnx_want_rank(s, 1, 1));
    for (int64_t i = 0; s->in[1]->known && i < s->in[1]->dims[0]; i++)
        if (s->in[1]->ints[i] < 0 || s->in[1]->ints[i] >= out->dims[axis])
            return mn_onnx_bad(s, "index %lld of %lld", (long long)s->in[1]->ints[i], (long long)out->dims[axis]);
    out->dims[axis] = s->in[1]->dims[0];
    return 0;
}
