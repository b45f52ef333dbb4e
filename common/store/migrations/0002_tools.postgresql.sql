-- Composite tools: pipelines that an owner used often enough, their literals taken out.
-- A common one is offered to all owners. JSON as in agent_results: as it was written.
CREATE TABLE composite_tools (
	owner TEXT NOT NULL DEFAULT '',
	name TEXT NOT NULL,
	shape TEXT NOT NULL,
	description TEXT NOT NULL DEFAULT '',
	template JSON NOT NULL,
	parameters JSON NOT NULL,
	uses BIGINT NOT NULL DEFAULT 0,
	is_common BOOLEAN NOT NULL DEFAULT FALSE,
	created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
	PRIMARY KEY (owner, name),
	UNIQUE (owner, shape)
);

CREATE INDEX composite_tools_common ON composite_tools (name) WHERE is_common;
