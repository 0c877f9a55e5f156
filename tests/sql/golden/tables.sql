CREATE TABLE CT_Store.ct_audit_event (
	event_id VARCHAR(255) COLLATE %EXACT NOT NULL,
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	step VARCHAR(64) COLLATE %EXACT NOT NULL,
	severity SMALLINT NOT NULL,
	sentence VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	facts VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	happened_at VARCHAR(32) COLLATE %EXACT NOT NULL,
	written SMALLINT NOT NULL,
	PRIMARY KEY (event_id)
);

CREATE INDEX ct_audit_event_model ON CT_Store.ct_audit_event (model, happened_at);

CREATE INDEX ct_audit_event_written ON CT_Store.ct_audit_event (written, happened_at);

CREATE TABLE CT_Store.ct_author (
	name VARCHAR(200) COLLATE %EXACT NOT NULL,
	public_key VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	key_digest VARCHAR(64) COLLATE %EXACT NOT NULL,
	actor VARCHAR(200) COLLATE %EXACT NOT NULL,
	registered_at VARCHAR(32) COLLATE %EXACT NOT NULL,
	PRIMARY KEY (name),
	UNIQUE (key_digest)
);

CREATE TABLE CT_Store.ct_batch (
	batch_id VARCHAR(255) COLLATE %EXACT NOT NULL,
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	seq BIGINT NOT NULL,
	kind VARCHAR(16) COLLATE %EXACT NOT NULL,
	state VARCHAR(16) COLLATE %EXACT NOT NULL,
	source VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	fingerprint VARCHAR(255) COLLATE %EXACT NOT NULL,
	spec_digest VARCHAR(64) COLLATE %EXACT NOT NULL,
	first_row BIGINT NOT NULL,
	n_rows BIGINT NOT NULL,
	n_labelled BIGINT NOT NULL,
	n_quarantined BIGINT NOT NULL,
	first_position BIGINT,
	last_position BIGINT,
	path VARCHAR(400) COLLATE %EXACT NOT NULL,
	quarantine_path VARCHAR(400) COLLATE %EXACT NOT NULL,
	file_digest VARCHAR(64) COLLATE %EXACT NOT NULL,
	arrived_at VARCHAR(32) COLLATE %EXACT NOT NULL,
	purged_at VARCHAR(32) COLLATE %EXACT,
	PRIMARY KEY (batch_id),
	CONSTRAINT ct_batch_seq UNIQUE (model, seq),
	CONSTRAINT ct_batch_fingerprint UNIQUE (model, fingerprint)
);

CREATE TABLE CT_Store.ct_cycle (
	cycle_id VARCHAR(255) COLLATE %EXACT NOT NULL,
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	seq BIGINT NOT NULL,
	open_slot BIGINT NOT NULL,
	state VARCHAR(16) COLLATE %EXACT NOT NULL,
	spec_digest VARCHAR(64) COLLATE %EXACT NOT NULL,
	opened_at VARCHAR(32) COLLATE %EXACT NOT NULL,
	closed_at VARCHAR(32) COLLATE %EXACT,
	event_now BIGINT,
	as_of_seq BIGINT,
	accept_reused SMALLINT NOT NULL,
	PRIMARY KEY (cycle_id),
	CONSTRAINT ct_cycle_seq UNIQUE (model, seq),
	CONSTRAINT ct_cycle_open UNIQUE (model, open_slot)
);

CREATE TABLE CT_Store.ct_decision (
	decision_id VARCHAR(255) COLLATE %EXACT NOT NULL,
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	seq BIGINT NOT NULL,
	content VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	digest VARCHAR(64) COLLATE %EXACT NOT NULL,
	kind VARCHAR(32) COLLATE %EXACT,
	outcome VARCHAR(32) COLLATE %EXACT,
	reason VARCHAR(1500000) COLLATE %EXACT,
	actor VARCHAR(1500000) COLLATE %EXACT,
	cycle_id VARCHAR(255) COLLATE %EXACT,
	decided_at VARCHAR(32) COLLATE %EXACT,
	PRIMARY KEY (decision_id),
	CONSTRAINT ct_decision_seq UNIQUE (model, seq)
);

CREATE TABLE CT_Store.ct_drift_report (
	report_id VARCHAR(255) COLLATE %EXACT NOT NULL,
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	seq BIGINT NOT NULL,
	batch_id VARCHAR(255) COLLATE %EXACT NOT NULL,
	content VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	version INTEGER,
	status VARCHAR(16) COLLATE %EXACT,
	drifted SMALLINT,
	n_drifted INTEGER,
	n_reference BIGINT,
	n_current BIGINT,
	error_metric VARCHAR(32) COLLATE %EXACT,
	error_status VARCHAR(16) COLLATE %EXACT,
	error_drifted SMALLINT,
	error_loss DOUBLE,
	error_reference_loss DOUBLE,
	error_factor DOUBLE,
	error_p_value DOUBLE,
	measured_at VARCHAR(32) COLLATE %EXACT,
	PRIMARY KEY (report_id),
	CONSTRAINT ct_drift_report_seq UNIQUE (model, seq)
);

CREATE TABLE CT_Store.ct_grid (
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	spec_digest VARCHAR(64) COLLATE %EXACT NOT NULL,
	content VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	PRIMARY KEY (model, spec_digest)
);

CREATE TABLE CT_Store.ct_lock (
	name VARCHAR(64) COLLATE %EXACT NOT NULL,
	turns BIGINT NOT NULL,
	PRIMARY KEY (name)
);

CREATE TABLE CT_Store.ct_migration (
	number INTEGER NOT NULL,
	what VARCHAR(200) COLLATE %EXACT NOT NULL,
	applied_at VARCHAR(32) COLLATE %EXACT NOT NULL,
	PRIMARY KEY (number)
);

CREATE TABLE CT_Store.ct_model_version (
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	version INTEGER NOT NULL,
	cycle_id VARCHAR(255) COLLATE %EXACT NOT NULL,
	spec_digest VARCHAR(64) COLLATE %EXACT NOT NULL,
	recipe_digest VARCHAR(64) COLLATE %EXACT NOT NULL,
	recipe_window VARCHAR(64) COLLATE %EXACT NOT NULL,
	recipe_rounds INTEGER NOT NULL,
	artifact VARCHAR(400) COLLATE %EXACT NOT NULL,
	artifact_digest VARCHAR(64) COLLATE %EXACT NOT NULL,
	refitted SMALLINT NOT NULL,
	fit_from BIGINT NOT NULL,
	fit_until BIGINT NOT NULL,
	n_rows BIGINT NOT NULL,
	snapshot_digest VARCHAR(64) COLLATE %EXACT NOT NULL,
	metrics VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	holdout_loss DOUBLE,
	trained_at VARCHAR(32) COLLATE %EXACT NOT NULL,
	run_id VARCHAR(255) COLLATE %EXACT,
	registry_version VARCHAR(64) COLLATE %EXACT,
	PRIMARY KEY (model, version),
	UNIQUE (cycle_id)
);

CREATE TABLE CT_Store.ct_package (
	package_id VARCHAR(255) COLLATE %EXACT NOT NULL,
	version VARCHAR(64) COLLATE %EXACT NOT NULL,
	image VARCHAR(400) COLLATE %EXACT NOT NULL,
	title VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	author VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	about VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	status VARCHAR(16) COLLATE %EXACT NOT NULL,
	actor VARCHAR(200) COLLATE %EXACT NOT NULL,
	domain_name VARCHAR(64) COLLATE %EXACT NOT NULL,
	place VARCHAR(400) COLLATE %EXACT NOT NULL,
	runtime VARCHAR(32) COLLATE %EXACT NOT NULL,
	signed_by VARCHAR(200) COLLATE %EXACT NOT NULL,
	failure VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	onboarded_at VARCHAR(32) COLLATE %EXACT NOT NULL,
	PRIMARY KEY (package_id, version),
	UNIQUE (image)
);

CREATE TABLE CT_Store.ct_prediction (
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	file_seq BIGINT NOT NULL,
	place BIGINT NOT NULL,
	row_key VARCHAR(255) COLLATE %EXACT,
	row_position BIGINT,
	prediction VARCHAR(1500000) COLLATE %EXACT,
	prediction_number DOUBLE,
	prediction_probability DOUBLE,
	puid VARCHAR(255) COLLATE %EXACT,
	request_place BIGINT,
	predicted_at VARCHAR(32) COLLATE %EXACT,
	PRIMARY KEY (model, file_seq, place)
);

CREATE INDEX ct_prediction_key ON CT_Store.ct_prediction (model, row_key);

CREATE INDEX ct_prediction_puid ON CT_Store.ct_prediction (model, puid);

CREATE TABLE CT_Store.ct_prediction_file (
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	request_id VARCHAR(255) COLLATE %EXACT NOT NULL,
	seq BIGINT NOT NULL,
	version INTEGER NOT NULL,
	batch_id VARCHAR(255) COLLATE %EXACT,
	n_rows BIGINT NOT NULL,
	path VARCHAR(400) COLLATE %EXACT NOT NULL,
	file_digest VARCHAR(64) COLLATE %EXACT NOT NULL,
	predicted_at VARCHAR(32) COLLATE %EXACT NOT NULL,
	purged_at VARCHAR(32) COLLATE %EXACT,
	n_projected BIGINT DEFAULT '0' NOT NULL,
	shadow SMALLINT DEFAULT '0' NOT NULL,
	predicted_from VARCHAR(32) COLLATE %EXACT,
	n_keyed BIGINT,
	first_key VARCHAR(255) COLLATE %EXACT,
	last_key VARCHAR(255) COLLATE %EXACT,
	PRIMARY KEY (model, request_id),
	CONSTRAINT ct_prediction_file_seq UNIQUE (model, seq)
);

CREATE TABLE CT_Store.ct_reference (
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	version INTEGER NOT NULL,
	content VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	PRIMARY KEY (model, version)
);

CREATE TABLE CT_Store.ct_registry_alias (
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	champion_seq BIGINT NOT NULL,
	PRIMARY KEY (model)
);

CREATE TABLE CT_Store.ct_row_table (
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	layout VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	through_seq BIGINT NOT NULL,
	n_rows BIGINT NOT NULL,
	PRIMARY KEY (model)
);

CREATE TABLE CT_Store.ct_service (
	name VARCHAR(255) COLLATE %EXACT NOT NULL,
	content VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	actor VARCHAR(200) COLLATE %EXACT NOT NULL,
	turn BIGINT NOT NULL,
	started_at VARCHAR(32) COLLATE %EXACT NOT NULL,
	changed_at VARCHAR(32) COLLATE %EXACT NOT NULL,
	PRIMARY KEY (name)
);

CREATE TABLE CT_Store.ct_snapshot (
	snapshot_id VARCHAR(255) COLLATE %EXACT NOT NULL,
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	spec_digest VARCHAR(64) COLLATE %EXACT NOT NULL,
	path VARCHAR(400) COLLATE %EXACT NOT NULL,
	digest VARCHAR(64) COLLATE %EXACT NOT NULL,
	size_bytes BIGINT NOT NULL,
	as_of_seq BIGINT NOT NULL,
	from_position BIGINT NOT NULL,
	horizon BIGINT NOT NULL,
	n_rows BIGINT NOT NULL,
	first_position BIGINT NOT NULL,
	last_position BIGINT NOT NULL,
	cut_at VARCHAR(32) COLLATE %EXACT NOT NULL,
	purged_at VARCHAR(32) COLLATE %EXACT,
	PRIMARY KEY (snapshot_id)
);

CREATE INDEX ix_ct_snapshot_model ON CT_Store.ct_snapshot (model);

CREATE TABLE CT_Store.ct_source (
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	place VARCHAR(64) COLLATE %EXACT NOT NULL,
	turn BIGINT NOT NULL,
	newest_id BIGINT,
	window_from BIGINT,
	settled_mark VARCHAR(200) COLLATE %EXACT,
	settling_mark VARCHAR(200) COLLATE %EXACT,
	settling_at VARCHAR(32) COLLATE %EXACT,
	swept_to BIGINT,
	swept_at VARCHAR(32) COLLATE %EXACT,
	looked_at VARCHAR(32) COLLATE %EXACT,
	read_at VARCHAR(32) COLLATE %EXACT,
	n_new BIGINT NOT NULL,
	n_changed BIGINT NOT NULL,
	n_deleted BIGINT NOT NULL,
	n_batches BIGINT NOT NULL,
	n_failures BIGINT NOT NULL,
	failure VARCHAR(1500000) COLLATE %EXACT,
	pending VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	PRIMARY KEY (model)
);

CREATE TABLE CT_Store.ct_source_ids (
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	from_id BIGINT NOT NULL,
	n_rows BIGINT NOT NULL,
	content VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	PRIMARY KEY (model, from_id)
);

CREATE TABLE CT_Store.ct_source_row (
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	source_id BIGINT NOT NULL,
	row_digest VARCHAR(64) COLLATE %EXACT NOT NULL,
	read_at VARCHAR(32) COLLATE %EXACT NOT NULL,
	PRIMARY KEY (model, source_id)
);

CREATE TABLE CT_Store.ct_specification (
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	number INTEGER NOT NULL,
	digest VARCHAR(64) COLLATE %EXACT NOT NULL,
	content VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	actor VARCHAR(200) COLLATE %EXACT NOT NULL,
	recorded_at VARCHAR(32) COLLATE %EXACT NOT NULL,
	changed VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	forces_retraining SMALLINT NOT NULL,
	PRIMARY KEY (model, number)
);

CREATE INDEX ix_ct_specification_digest ON CT_Store.ct_specification (digest);

CREATE TABLE CT_Store.ct_spent_rows (
	cycle_id VARCHAR(255) COLLATE %EXACT NOT NULL,
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	first_position BIGINT NOT NULL,
	last_position BIGINT NOT NULL,
	n_rows BIGINT NOT NULL,
	PRIMARY KEY (cycle_id)
);

CREATE INDEX ix_ct_spent_rows_model ON CT_Store.ct_spent_rows (model);

CREATE TABLE CT_Store.ct_champion (
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	seq BIGINT NOT NULL,
	version INTEGER NOT NULL,
	since VARCHAR(32) COLLATE %EXACT NOT NULL,
	since_position BIGINT,
	decision_id VARCHAR(255) COLLATE %EXACT NOT NULL,
	actor VARCHAR(200) COLLATE %EXACT NOT NULL,
	PRIMARY KEY (model, seq),
	FOREIGN KEY(model, version) REFERENCES CT_Store.ct_model_version (model, version),
	UNIQUE (decision_id)
);

CREATE TABLE CT_Store.ct_drift_feature (
	report_id VARCHAR(255) COLLATE %EXACT NOT NULL,
	place INTEGER NOT NULL,
	feature VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	column_role VARCHAR(16) COLLATE %EXACT NOT NULL,
	kind VARCHAR(16) COLLATE %EXACT NOT NULL,
	status VARCHAR(16) COLLATE %EXACT NOT NULL,
	drifted SMALLINT NOT NULL,
	reason VARCHAR(32) COLLATE %EXACT NOT NULL,
	psi DOUBLE,
	psi_threshold DOUBLE,
	statistic_name VARCHAR(32) COLLATE %EXACT,
	statistic DOUBLE,
	p_value DOUBLE,
	adjusted_p_value DOUBLE,
	missing_before DOUBLE,
	missing_now DOUBLE,
	unseen_before DOUBLE,
	unseen_now DOUBLE,
	mean_shift DOUBLE,
	PRIMARY KEY (report_id, place),
	FOREIGN KEY(report_id) REFERENCES CT_Store.ct_drift_report (report_id)
);

CREATE TABLE CT_Store.ct_quarantine (
	batch_id VARCHAR(255) COLLATE %EXACT NOT NULL,
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	seq BIGINT NOT NULL,
	n_rows BIGINT NOT NULL,
	whole_batch SMALLINT NOT NULL,
	reasons VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	path VARCHAR(400) COLLATE %EXACT NOT NULL,
	arrived_at VARCHAR(32) COLLATE %EXACT NOT NULL,
	released_at VARCHAR(32) COLLATE %EXACT,
	released_by VARCHAR(200) COLLATE %EXACT,
	released_in VARCHAR(255) COLLATE %EXACT,
	purged_at VARCHAR(32) COLLATE %EXACT,
	PRIMARY KEY (batch_id),
	FOREIGN KEY(batch_id) REFERENCES CT_Store.ct_batch (batch_id)
);

CREATE INDEX ix_ct_quarantine_model ON CT_Store.ct_quarantine (model);

CREATE TABLE CT_Store.ct_summary (
	batch_id VARCHAR(255) COLLATE %EXACT NOT NULL,
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	seq BIGINT NOT NULL,
	first_position BIGINT NOT NULL,
	last_position BIGINT NOT NULL,
	content VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	PRIMARY KEY (batch_id),
	FOREIGN KEY(batch_id) REFERENCES CT_Store.ct_batch (batch_id)
);

CREATE INDEX ct_summary_span ON CT_Store.ct_summary (model, last_position);

CREATE TABLE CT_Store.ct_trigger (
	trigger_id VARCHAR(255) COLLATE %EXACT NOT NULL,
	cycle_id VARCHAR(255) COLLATE %EXACT NOT NULL,
	place INTEGER NOT NULL,
	model VARCHAR(64) COLLATE %EXACT NOT NULL,
	reason VARCHAR(32) COLLATE %EXACT NOT NULL,
	actor VARCHAR(200) COLLATE %EXACT NOT NULL,
	event_now BIGINT,
	asked_at VARCHAR(32) COLLATE %EXACT NOT NULL,
	facts VARCHAR(1500000) COLLATE %EXACT NOT NULL,
	PRIMARY KEY (trigger_id),
	CONSTRAINT ct_trigger_place UNIQUE (cycle_id, place),
	FOREIGN KEY(cycle_id) REFERENCES CT_Store.ct_cycle (cycle_id)
);

CREATE INDEX ix_ct_trigger_cycle_id ON CT_Store.ct_trigger (cycle_id);
