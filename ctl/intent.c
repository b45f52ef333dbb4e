/* SPDX-License-Identifier: MIT */
/*
 * intent.c - agentctl intent: what the classifier says of a prompt.
 *
 * Owns:   nothing.
 * Called: by main.c; needs no configuration and no server.
 * Fails:  only for want of input.
 */
#include "config.h"

#include "worker/agent/intent.h"

#include "ctl/ctl.h"

int
ctl_intent(struct ctl *ctl)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct intent intent;
	int r = ctl_read_text(ctl, ctl->args.words[0], &text);

	if (r != CTL_OK)
		return r;
	intent_classify(buf_str(&text), text.len, &intent);
	if (ctl->is_json)
		intent_write_json(&out, &intent);
	else
		buf_addf(&out, "%s %.2f", intent_label_name(intent.label),
		    intent.confidence);
	buf_addc(&out, '\n');
	return ctl_put(&out);
}
