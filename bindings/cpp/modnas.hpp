// libmodnas for C++17: handles that free themselves, exceptions, components as classes. Header only, over the C interface.
#ifndef MODNAS_HPP
#define MODNAS_HPP

#include "modnas/base.hpp"
#include "modnas/data.hpp"
#include "modnas/files.hpp"
#include "modnas/model.hpp"
#include "modnas/registry.hpp"
#include "modnas/search.hpp"
#include "modnas/tape.hpp"

#endif
