/* util_peaks_body.h for one instruction set. */
#include "backend/dnnl/vec_portable.h"

#include "util_peaks_body.h"
