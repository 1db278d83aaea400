/* util_peaks_body.h for one instruction set. */
#include "backend/dnnl/vec_avx512.h"

#include "util_peaks_body.h"
