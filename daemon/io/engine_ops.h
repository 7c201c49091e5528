/* SPDX-License-Identifier: GPL-3.0-or-later */
/* engine_ops.h: struct core_ops made of the engine's parts; the world is a struct engine */
#ifndef COTDB_ENGINE_OPS_H
#define COTDB_ENGINE_OPS_H

#include "engine.h"

extern const struct core_ops engine_ops;

#endif
