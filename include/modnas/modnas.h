/* libmodnas: neural architecture search as an embeddable library. This header includes the whole stable tier. */
#ifndef MODNAS_MODNAS_H
#define MODNAS_MODNAS_H

#include "modnas/bundle.h"
#include "modnas/config.h"
#include "modnas/ctx.h"
#include "modnas/data.h"
#include "modnas/describe.h"
#include "modnas/export.h"
#include "modnas/inspect.h"
#include "modnas/model.h"
#include "modnas/module.h"
#include "modnas/onnx.h"
#include "modnas/profile.h"
#include "modnas/registry.h"
#include "modnas/report.h"
#include "modnas/run.h"
#include "modnas/search.h"
#include "modnas/status.h"
#include "modnas/tape.h"
#include "modnas/version.h"

#endif
