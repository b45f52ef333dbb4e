/* SPDX-License-Identifier: MIT */
/*
 * queue_rights.c - may this user do what the service will do?
 *
 * Owns:   the list of commands.
 * Called: at the start of workers and scheduler, and after each new connection of the
 *         scheduler.
 * Fails:  with the command, so that the rule can be added.
 */
#include "config.h"

#include "common/queue/queue_rights.h"

#include <errno.h>
#include <string.h>

/* clang-format off */
const char queue_rights[] =
	/* connections and scripts */
	"EVAL x 0\nEVALSHA x 0\nPING\nSELECT 0\nROLE\nINFO\nCLIENT ID\nCLIENT UNBLOCK 1\n"
	"SUBSCRIBE CHANNEL\nPUBLISH CHANNEL x\n"
	/* claims, producers, results */
	"BLMOVE JOBS KEY LEFT RIGHT 0\nLMOVE JOBS KEY LEFT RIGHT\nRPUSH JOBS x\n"
	"RPUSH RESULT x\nRPUSH COMPLETION x\nBLPOP RESULT 0\nLPOP RESULT\nLINDEX RESULT 0\n"
	/* inside the scripts */
	"DEL KEY\nEXISTS KEY\nEXPIRE KEY 1\nGET KEY\nHDEL KEY f\nHEXISTS KEY f\nHGET KEY f\n"
	"HGETALL KEY\nHINCRBY KEY f 1\nHKEYS KEY\nHLEN KEY\nHMGET KEY f\nHSET KEY f v\n"
	"HSETNX KEY f v\nLLEN KEY\nLPOS KEY x\nLPUSH KEY x\nLRANGE KEY 0 1\nLREM KEY 1 x\n"
	"LTRIM KEY 0 1\nPERSIST KEY\nRPOP KEY\nSCAN 0\nSET KEY v\nTIME\nTTL KEY\nTYPE KEY\n"
	"ZADD KEY 1 x\nZCARD KEY\nZRANGE KEY 0 1\nZRANGEBYSCORE KEY 0 1\nZREM KEY x\n"
	"ZREVRANGE KEY 0 1\nZSCORE KEY x\n";
/* clang-format on */

int
queue_check_rights(struct redis_sync *s, const struct queue_setup *q, struct err *err)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	struct queue_command c;
	struct queue_answer a;
	int r;

	queue_cmd_rights(&c, q, queue_rights);
	r = queue_run(s, &c, &reply, &a, err);
	if (r < 0 || a.rights.n_refused == 0)
		return r;
	return err_set(err, -EACCES,
	    "%s: its rules refuse our user the command \"%.*s\"%s; the rules that are "
	    "needed stand in agent-runner.conf(5), REDIS",
	    redis_sync_name(s), (int)a.rights.first.n, a.rights.first.p,
	    a.rights.n_refused > 1 ? " and others" : "");
}
