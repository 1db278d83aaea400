/* Version of the library these headers belong to. The Makefile, libmodnas.map and modnas.pc read it from here. */
#ifndef MODNAS_VERSION_H
#define MODNAS_VERSION_H

#define MODNAS_VERSION_MAJOR 0
#define MODNAS_VERSION_MINOR 1
#define MODNAS_VERSION_PATCH 0
#define MODNAS_VERSION_STRING "0.1.0"

#endif
