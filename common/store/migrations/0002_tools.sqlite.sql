-- Composite tools: pipelines that an owner used often enough, their literals taken out.
-- A common one is offered to all owners.
CREATE TABLE composite_tools (
	owner TEXT NOT NULL DEFAULT '',
	name TEXT NOT NULL,
	shape TEXT NOT NULL,
	description TEXT NOT NULL DEFAULT '',
	template TEXT NOT NULL CHECK (json_valid(template)),
	parameters TEXT NOT NULL CHECK (json_valid(parameters)),
	uses INTEGER NOT NULL DEFAULT 0,
	is_common INTEGER NOT NULL DEFAULT 0,
	created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
	PRIMARY KEY (owner, name),
	UNIQUE (owner, shape)
);

CREATE INDEX composite_tools_common ON composite_tools (name) WHERE is_common;
