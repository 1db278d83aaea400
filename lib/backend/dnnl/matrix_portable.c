/* matrix_body.h for one instruction set. */
#include "backend/dnnl/vec_portable.h"

#include "backend/dnnl/matrix_body.h"
