-- Results of jobs, one row per job. The same table as in PostgreSQL; the checks do what
-- its types do there.
CREATE TABLE agent_results (
	result_id TEXT NOT NULL PRIMARY KEY,
	job_id TEXT NOT NULL UNIQUE,
	run_id TEXT NOT NULL DEFAULT '',
	node_id TEXT NOT NULL DEFAULT '',
	owner TEXT NOT NULL DEFAULT '',
	status TEXT NOT NULL CHECK (status IN ('completed', 'failed')),
	message TEXT NOT NULL,
	result_data TEXT CHECK (result_data IS NULL OR json_valid(result_data)),
	cas_id TEXT,
	s3_ref TEXT,
	error TEXT CHECK (error IS NULL OR json_valid(error)),
	tool_calls TEXT CHECK (tool_calls IS NULL OR json_valid(tool_calls)),
	trace TEXT CHECK (trace IS NULL OR json_valid(trace)),
	tokens_used INTEGER NOT NULL DEFAULT 0,
	cache_hit INTEGER NOT NULL DEFAULT 0,
	execution_time_ms INTEGER NOT NULL DEFAULT 0,
	llm_model TEXT NOT NULL DEFAULT '',
	token INTEGER NOT NULL DEFAULT 0,
	retry_count INTEGER NOT NULL DEFAULT 0,
	created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
	completed_at TEXT
);

CREATE INDEX agent_results_run_id ON agent_results (run_id);
CREATE INDEX agent_results_created_at ON agent_results (created_at DESC);
CREATE INDEX agent_results_status ON agent_results (status);
CREATE INDEX agent_results_owner ON agent_results (owner);
CREATE INDEX agent_results_cas_id ON agent_results (cas_id) WHERE cas_id IS NOT NULL;

CREATE TABLE store_meta (
	name TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
);
