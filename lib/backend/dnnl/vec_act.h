/* Activations that several bodies compute, over the vector of vec_<isa>.h. NaN comes through: vec_min and vec_max give
 * their second operand. */
#ifndef MN_VEC_ACT_H
#define MN_VEC_ACT_H

VEC_FN vec clip(vec x, vec low, vec high) {
    return vec_min(high, vec_max(low, x));
}

VEC_FN vec hard_sigmoid(vec x) {
    return vec_mul(clip(vec_add(x, vec_set1(3)), vec_zero(), vec_set1(6)), vec_set1(1.0f / 6));
}

VEC_FN vec hard_swish(vec x) {
    return vec_mul(x, hard_sigmoid(x));
}

/* 0 up to -3, 1 from 3 on. */
VEC_FN vec hard_swish_slope(vec x) {
    const vec low = vec_set1(-3), high = vec_set1(3), middle = vec_fma(x, vec_set1(1.0f / 3), vec_set1(0.5f));
    const vmask below = vec_or(vec_lt(x, low), vec_eq(x, low)), above = vec_or(vec_gt(x, high), vec_eq(x, high));
    return vec_pick(above, vec_set1(1), vec_pick(below, vec_zero(), middle));
}

#endif
