/* matrix_body.h for one instruction set. */
#include "backend/dnnl/vec_avx2.h"

#include "backend/dnnl/matrix_body.h"
