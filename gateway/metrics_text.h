/* SPDX-License-Identifier: MIT */
/*
 * metrics_text.h - the supervisor's numbers in the text format of Prometheus. Pure.
 */
#ifndef GATEWAY_METRICS_TEXT_H
#define GATEWAY_METRICS_TEXT_H

#include "common/buf.h"
#include "common/conf/conf.h"
#include "common/role/control.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* conf names the targets (provider and model) that the labels stand for. */
void metrics_text_write(struct buf *out, const struct conf *conf,
    const struct control_metrics *metrics);

#endif
