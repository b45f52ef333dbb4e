#!/bin/sh
# test_blocking.sh - job code runs in fibers on one thread, so nothing that it is made of
# may call what blocks. Looks at the object files; runs in the build directory.

names='getaddrinfo|gethostbyname(_r)?|fsync|fdatasync|sync|flock|sleep|usleep|nanosleep
|clock_nanosleep|poll|ppoll|select|pselect|epoll_wait|epoll_pwait|system|popen|v?fork
|exec[lv]p?e?|execveat|wait(pid|id|3|4)?|pthread_join|pthread_cond_(timed)?wait|sem_wait
|sqlite3_[a-z0-9_]+|PQ[a-zA-Z]+|redisConnect[A-Za-z]*|redisCommand[A-Za-z]*|redisGetReply
|curl_easy_perform|curl_multi_(wait|poll)|redis_sync_[a-z_]+|cas_[a-z_]+|sql_[a-z_]+
|store_(put|get_by_job|get_by_ref|place|list|purge|put_blob|get_blob|migrate|id|ping)'
names=$(printf '%s' "$names" | tr -d '\n')

# The loop's own wait, the pulse on its thread, the start before the loop, what the helper thread is given as a
# function (names, a row and its token), and a look at sockets that waits for 0 ms.
allowed='worker-loop.o epoll_wait
worker-main.o poll
worker-main.o redis_sync_new
worker-main.o redis_sync_connect
worker-main.o redis_sync_freep
worker-main.o store_id
worker-main.o store_migrate
worker-pulse.o nanosleep
worker-resolve.o getaddrinfo
worker-retention.o cas_refs_add
worker-retention.o cas_refs_has
worker-retention.o cas_refs_release
worker-store_client.o store_get_by_job
common/libhttpclient.a epoll_wait'

set -- worker/agent_runner_worker-*.o worker/libpipelinerun.a common/libpipeline.a \
	worker/libagent.a worker/libtools.a worker/libllm.a worker/agent/libintent.a \
	common/libjson.a common/libjson_schema.a common/libhttpclient.a
looked=0
status=0
for file; do
	if [ ! -f "$file" ]; then
		echo "$file is missing: build the programs first"
		exit 1
	fi
	looked=$((looked + 1))
	for call in $(${NM:-nm} -u "$file" | awk 'NF == 2 { print $2 }' | sed 's/@.*//' |
		grep -xE "$names" | sort -u); do
		if ! printf '%s\n' "$allowed" |
			grep -qxF "${file#worker/agent_runner_} $call"; then
			echo "$file calls $call, which blocks: give it to the helper thread"
			status=1
		fi
	done
done
echo "$looked files"
[ "$looked" -gt 20 ] || status=1
exit $status
