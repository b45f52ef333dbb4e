-- Results of jobs, one row per job. JSON, not JSONB: the latter reorders keys, rewrites
-- numbers and refuses \u0000.
CREATE TABLE agent_results (
	result_id UUID PRIMARY KEY,
	job_id TEXT NOT NULL UNIQUE,
	run_id TEXT NOT NULL DEFAULT '',
	node_id TEXT NOT NULL DEFAULT '',
	owner TEXT NOT NULL DEFAULT '',
	status TEXT NOT NULL CHECK (status IN ('completed', 'failed')),
	message TEXT NOT NULL,
	result_data JSON,
	cas_id TEXT,
	s3_ref TEXT,
	error JSON,
	tool_calls JSON,
	trace JSON,
	tokens_used BIGINT NOT NULL DEFAULT 0,
	cache_hit BOOLEAN NOT NULL DEFAULT FALSE,
	execution_time_ms BIGINT NOT NULL DEFAULT 0,
	llm_model TEXT NOT NULL DEFAULT '',
	token BIGINT NOT NULL DEFAULT 0,
	retry_count BIGINT NOT NULL DEFAULT 0,
	created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
	completed_at TIMESTAMPTZ
);

CREATE INDEX agent_results_run_id ON agent_results (run_id);
CREATE INDEX agent_results_created_at ON agent_results (created_at DESC);
CREATE INDEX agent_results_status ON agent_results (status);
CREATE INDEX agent_results_owner ON agent_results (owner);
CREATE INDEX agent_results_cas_id ON agent_results (cas_id) WHERE cas_id IS NOT NULL;

CREATE TABLE store_meta (
	name TEXT PRIMARY KEY,
	value TEXT NOT NULL
);
