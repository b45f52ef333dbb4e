/* SPDX-License-Identifier: MIT */
/*
 * child.h - how a jailed child ends when it cannot answer.
 */
#ifndef COMPUTE_CHILD_H
#define COMPUTE_CHILD_H

enum child_exit {
	CHILD_EXIT_OK = 0,
	CHILD_EXIT_JAIL = 2,   /* a step of the jail failed */
	CHILD_EXIT_MEMORY = 3, /* libjq had no memory */
	CHILD_EXIT_PROTOCOL = 4
};

#endif
