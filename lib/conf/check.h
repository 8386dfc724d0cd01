/* SPDX-License-Identifier: ISC */
/* Values that are good alone and wrong together. */
#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include "conf.h"
#include "tree.h"

/* False with one sentence in why, at the key to change. */
bool check_together(const struct conf *conf, const struct tree *tree, char *why);

#endif
