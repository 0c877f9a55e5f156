DELETE FROM CT_Store.ct_author WHERE CT_Store.ct_author.name = ?;

DELETE FROM CT_Store.ct_package WHERE CT_Store.ct_package.package_id = ? AND CT_Store.ct_package.version = ?;

DELETE FROM CT_Store.ct_prediction WHERE CT_Store.ct_prediction.model = ? AND CT_Store.ct_prediction.file_seq = ?;

DELETE FROM CT_Store.ct_row_table WHERE CT_Store.ct_row_table.model = ?;

DELETE FROM CT_Store.ct_rows_bikes WHERE CT_Store.ct_rows_bikes.row_key = ?;

DELETE FROM CT_Store.ct_rows_bikes WHERE CT_Store.ct_rows_bikes.row_number >= ? AND CT_Store.ct_rows_bikes.row_number <= ?;

DELETE FROM CT_Store.ct_service WHERE CT_Store.ct_service.name = ?;

DELETE FROM CT_Store.ct_source_ids WHERE CT_Store.ct_source_ids.model = ?;

DELETE FROM CT_Store.ct_source_ids WHERE CT_Store.ct_source_ids.model = ? AND CT_Store.ct_source_ids.from_id = ?;

DELETE FROM CT_Store.ct_source_row WHERE CT_Store.ct_source_row.model = ?;

DELETE FROM CT_Store.ct_source_row WHERE CT_Store.ct_source_row.model = ? AND CT_Store.ct_source_row.source_id <= ? AND CT_Store.ct_source_row.read_at <= ?;

DELETE FROM CT_Store.ct_source_row WHERE CT_Store.ct_source_row.model = ? AND CT_Store.ct_source_row.source_id = ?;

INSERT INTO CT_Store.ct_audit_event (event_id, model, step, severity, sentence, facts, happened_at, written) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_author (name, public_key, key_digest, actor, registered_at) VALUES (?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_batch (batch_id, model, seq, kind, state, source, fingerprint, spec_digest, first_row, n_rows, n_labelled, n_quarantined, first_position, last_position, path, quarantine_path, file_digest, arrived_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_champion (model, seq, version, since, since_position, decision_id, actor) VALUES (?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_cycle (cycle_id, model, seq, open_slot, state, spec_digest, opened_at, event_now, accept_reused) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_decision (decision_id, model, seq, content, digest, kind, outcome, reason, actor, cycle_id, decided_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_drift_report (report_id, model, seq, batch_id, content, version, status, drifted, n_drifted, n_reference, n_current, error_metric, error_status, error_drifted, error_loss, error_reference_loss, error_factor, error_p_value, measured_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_grid (model, spec_digest, content) VALUES (?, ?, ?);

INSERT INTO CT_Store.ct_lock (name, turns) VALUES (?, ?);

INSERT INTO CT_Store.ct_migration (number, what, applied_at) VALUES (?, ?, ?);

INSERT INTO CT_Store.ct_model_version (model, version, cycle_id, spec_digest, recipe_digest, recipe_window, recipe_rounds, artifact, artifact_digest, refitted, fit_from, fit_until, n_rows, snapshot_digest, metrics, holdout_loss, trained_at, run_id, registry_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_package (package_id, version, image, title, author, about, status, actor, domain_name, place, runtime, signed_by, failure, onboarded_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_prediction (model, file_seq, place, row_key, row_position, prediction, prediction_number, prediction_probability) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_prediction (model, file_seq, place, row_key, row_position, prediction, prediction_number, prediction_probability, puid, request_place, predicted_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_prediction_file (model, request_id, seq, version, batch_id, n_rows, path, file_digest, predicted_at, shadow, predicted_from, n_keyed, first_key, last_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_quarantine (batch_id, model, seq, n_rows, whole_batch, reasons, path, arrived_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_reference (model, version, content) VALUES (?, ?, ?);

INSERT INTO CT_Store.ct_registry_alias (model, champion_seq) VALUES (?, ?);

INSERT INTO CT_Store.ct_row_table (model, layout, through_seq, n_rows) VALUES (?, ?, ?, ?);

INSERT INTO CT_Store.ct_rows_bikes (row_key, row_number, row_position, row_time, batch_id, "Straße", "Temp (felt) °C", "order", "100%", "it's :open", "c0") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_rows_bikes (row_key, row_number, row_position, row_time, batch_id, "x", "gone", "y") VALUES (?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_rows_bikes (row_key, row_number, row_position, row_time, batch_id, "x", "new", "y") VALUES (?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_rows_bikes (row_key, row_number, row_position, row_time, batch_id, "x", "y") VALUES (?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_service (name, content, actor, turn, started_at, changed_at) VALUES (?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_snapshot (snapshot_id, model, spec_digest, path, digest, size_bytes, as_of_seq, from_position, horizon, n_rows, first_position, last_position, cut_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_source (model, place, turn, newest_id, window_from, settled_mark, settling_mark, settling_at, swept_to, swept_at, looked_at, read_at, n_new, n_changed, n_deleted, n_batches, n_failures, failure, pending) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_source_ids (model, from_id, n_rows, content) VALUES (?, ?, ?, ?);

INSERT INTO CT_Store.ct_source_row (model, source_id, row_digest, read_at) VALUES (?, ?, ?, ?);

INSERT INTO CT_Store.ct_specification (model, number, digest, content, actor, recorded_at, changed, forces_retraining) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_spent_rows (cycle_id, model, first_position, last_position, n_rows) VALUES (?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_summary (batch_id, model, seq, first_position, last_position, content) VALUES (?, ?, ?, ?, ?, ?);

INSERT INTO CT_Store.ct_trigger (trigger_id, cycle_id, place, model, reason, actor, event_now, asked_at, facts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

SELECT CT_Store.ct_audit_event.event_id
FROM CT_Store.ct_audit_event
WHERE CT_Store.ct_audit_event.event_id = ?;

SELECT CT_Store.ct_audit_event.event_id, CT_Store.ct_audit_event.model, CT_Store.ct_audit_event.step, CT_Store.ct_audit_event.severity, CT_Store.ct_audit_event.sentence, CT_Store.ct_audit_event.facts, CT_Store.ct_audit_event.happened_at, CT_Store.ct_audit_event.written
FROM CT_Store.ct_audit_event
WHERE CT_Store.ct_audit_event.written = ? ORDER BY CT_Store.ct_audit_event.happened_at, CT_Store.ct_audit_event.event_id;

SELECT CT_Store.ct_author.name
FROM CT_Store.ct_author
WHERE CT_Store.ct_author.key_digest = ?;

SELECT CT_Store.ct_author.name
FROM CT_Store.ct_author
WHERE CT_Store.ct_author.name = ?;

SELECT CT_Store.ct_author.name, CT_Store.ct_author.public_key, CT_Store.ct_author.key_digest, CT_Store.ct_author.actor, CT_Store.ct_author.registered_at
FROM CT_Store.ct_author
WHERE CT_Store.ct_author.key_digest = ?;

SELECT CT_Store.ct_author.name, CT_Store.ct_author.public_key, CT_Store.ct_author.key_digest, CT_Store.ct_author.actor, CT_Store.ct_author.registered_at
FROM CT_Store.ct_author ORDER BY CT_Store.ct_author.name;

SELECT CT_Store.ct_batch.batch_id
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.model = ? AND CT_Store.ct_batch.fingerprint = ?;

SELECT CT_Store.ct_batch.batch_id, CT_Store.ct_batch.model, CT_Store.ct_batch.seq, CT_Store.ct_batch.kind, CT_Store.ct_batch.state, CT_Store.ct_batch.source, CT_Store.ct_batch.fingerprint, CT_Store.ct_batch.spec_digest, CT_Store.ct_batch.first_row, CT_Store.ct_batch.n_rows, CT_Store.ct_batch.n_labelled, CT_Store.ct_batch.n_quarantined, CT_Store.ct_batch.first_position, CT_Store.ct_batch.last_position, CT_Store.ct_batch.path, CT_Store.ct_batch.quarantine_path, CT_Store.ct_batch.file_digest, CT_Store.ct_batch.arrived_at
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.batch_id = ? ORDER BY CT_Store.ct_batch.seq;

SELECT CT_Store.ct_batch.batch_id, CT_Store.ct_batch.model, CT_Store.ct_batch.seq, CT_Store.ct_batch.kind, CT_Store.ct_batch.state, CT_Store.ct_batch.source, CT_Store.ct_batch.fingerprint, CT_Store.ct_batch.spec_digest, CT_Store.ct_batch.first_row, CT_Store.ct_batch.n_rows, CT_Store.ct_batch.n_labelled, CT_Store.ct_batch.n_quarantined, CT_Store.ct_batch.first_position, CT_Store.ct_batch.last_position, CT_Store.ct_batch.path, CT_Store.ct_batch.quarantine_path, CT_Store.ct_batch.file_digest, CT_Store.ct_batch.arrived_at
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.model = ? AND CT_Store.ct_batch.fingerprint = ? ORDER BY CT_Store.ct_batch.seq;

SELECT CT_Store.ct_batch.batch_id, CT_Store.ct_batch.model, CT_Store.ct_batch.seq, CT_Store.ct_batch.kind, CT_Store.ct_batch.state, CT_Store.ct_batch.source, CT_Store.ct_batch.fingerprint, CT_Store.ct_batch.spec_digest, CT_Store.ct_batch.first_row, CT_Store.ct_batch.n_rows, CT_Store.ct_batch.n_labelled, CT_Store.ct_batch.n_quarantined, CT_Store.ct_batch.first_position, CT_Store.ct_batch.last_position, CT_Store.ct_batch.path, CT_Store.ct_batch.quarantine_path, CT_Store.ct_batch.file_digest, CT_Store.ct_batch.arrived_at
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.model = ? AND CT_Store.ct_batch.kind = ? AND CT_Store.ct_batch.path != ? ORDER BY CT_Store.ct_batch.seq;

SELECT CT_Store.ct_batch.batch_id, CT_Store.ct_batch.model, CT_Store.ct_batch.seq, CT_Store.ct_batch.kind, CT_Store.ct_batch.state, CT_Store.ct_batch.source, CT_Store.ct_batch.fingerprint, CT_Store.ct_batch.spec_digest, CT_Store.ct_batch.first_row, CT_Store.ct_batch.n_rows, CT_Store.ct_batch.n_labelled, CT_Store.ct_batch.n_quarantined, CT_Store.ct_batch.first_position, CT_Store.ct_batch.last_position, CT_Store.ct_batch.path, CT_Store.ct_batch.quarantine_path, CT_Store.ct_batch.file_digest, CT_Store.ct_batch.arrived_at
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.model = ? AND CT_Store.ct_batch.seq > ? ORDER BY CT_Store.ct_batch.seq;

SELECT CT_Store.ct_batch.batch_id, CT_Store.ct_batch.model, CT_Store.ct_batch.seq, CT_Store.ct_batch.kind, CT_Store.ct_batch.state, CT_Store.ct_batch.source, CT_Store.ct_batch.fingerprint, CT_Store.ct_batch.spec_digest, CT_Store.ct_batch.first_row, CT_Store.ct_batch.n_rows, CT_Store.ct_batch.n_labelled, CT_Store.ct_batch.n_quarantined, CT_Store.ct_batch.first_position, CT_Store.ct_batch.last_position, CT_Store.ct_batch.path, CT_Store.ct_batch.quarantine_path, CT_Store.ct_batch.file_digest, CT_Store.ct_batch.arrived_at, CT_Store.ct_batch.purged_at
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.arrived_at < ? AND CT_Store.ct_batch.path != ? AND CT_Store.ct_batch.model = ? AND CT_Store.ct_batch.kind = ? AND CT_Store.ct_batch.last_position < ? ORDER BY CT_Store.ct_batch.arrived_at, CT_Store.ct_batch.batch_id;

SELECT CT_Store.ct_batch.batch_id, CT_Store.ct_batch.model, CT_Store.ct_batch.seq, CT_Store.ct_batch.kind, CT_Store.ct_batch.state, CT_Store.ct_batch.source, CT_Store.ct_batch.fingerprint, CT_Store.ct_batch.spec_digest, CT_Store.ct_batch.first_row, CT_Store.ct_batch.n_rows, CT_Store.ct_batch.n_labelled, CT_Store.ct_batch.n_quarantined, CT_Store.ct_batch.first_position, CT_Store.ct_batch.last_position, CT_Store.ct_batch.path, CT_Store.ct_batch.quarantine_path, CT_Store.ct_batch.file_digest, CT_Store.ct_batch.arrived_at, CT_Store.ct_batch.purged_at
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.arrived_at < ? AND CT_Store.ct_batch.path != ? AND CT_Store.ct_batch.model = ? AND CT_Store.ct_batch.kind = ? AND CT_Store.ct_batch.seq < ? ORDER BY CT_Store.ct_batch.arrived_at, CT_Store.ct_batch.batch_id;

SELECT CT_Store.ct_batch.batch_id, CT_Store.ct_batch.model, CT_Store.ct_batch.seq, CT_Store.ct_batch.kind, CT_Store.ct_batch.state, CT_Store.ct_batch.source, CT_Store.ct_batch.fingerprint, CT_Store.ct_batch.spec_digest, CT_Store.ct_batch.first_row, CT_Store.ct_batch.n_rows, CT_Store.ct_batch.n_labelled, CT_Store.ct_batch.n_quarantined, CT_Store.ct_batch.first_position, CT_Store.ct_batch.last_position, CT_Store.ct_batch.path, CT_Store.ct_batch.quarantine_path, CT_Store.ct_batch.file_digest, CT_Store.ct_batch.arrived_at, CT_Store.ct_batch.purged_at
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.arrived_at < ? AND CT_Store.ct_batch.path != ? AND CT_Store.ct_batch.model = ? AND CT_Store.ct_batch.kind = ? ORDER BY CT_Store.ct_batch.arrived_at, CT_Store.ct_batch.batch_id;

SELECT CT_Store.ct_batch.batch_id, CT_Store.ct_batch.seq
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.model = ? AND CT_Store.ct_batch.kind = ? AND CT_Store.ct_batch.path != ?;

SELECT CT_Store.ct_batch.batch_id, CT_Store.ct_batch.seq, CT_Store.ct_batch.kind, CT_Store.ct_batch.n_rows, CT_Store.ct_batch.path, CT_Store.ct_batch.model
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.model = ? AND CT_Store.ct_batch.seq = (SELECT min(CT_Store.ct_batch.seq) AS min_1
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.model = ? AND CT_Store.ct_batch.seq > ?);

SELECT CT_Store.ct_batch.kind, CT_Store.ct_batch.state, count(*) AS count_1, sum(CT_Store.ct_batch.n_rows) AS sum_1
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.model = ? GROUP BY CT_Store.ct_batch.kind, CT_Store.ct_batch.state;

SELECT CT_Store.ct_batch.path
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.batch_id = ?;

SELECT CT_Store.ct_batch.path
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.model = ?;

SELECT CT_Store.ct_batch.path
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.model = ? AND CT_Store.ct_batch.kind = ? AND CT_Store.ct_batch.seq < ? AND CT_Store.ct_batch.path != ? ORDER BY CT_Store.ct_batch.seq;

SELECT CT_Store.ct_batch.quarantine_path
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.model = ?;

SELECT CT_Store.ct_champion.model, CT_Store.ct_champion.seq, CT_Store.ct_champion.version, CT_Store.ct_champion.since, CT_Store.ct_champion.since_position, CT_Store.ct_champion.decision_id, CT_Store.ct_champion.actor
FROM CT_Store.ct_champion
WHERE CT_Store.ct_champion.decision_id = ? ORDER BY CT_Store.ct_champion.seq;

SELECT CT_Store.ct_champion.model, CT_Store.ct_champion.seq, CT_Store.ct_champion.version, CT_Store.ct_champion.since, CT_Store.ct_champion.since_position, CT_Store.ct_champion.decision_id, CT_Store.ct_champion.actor
FROM CT_Store.ct_champion
WHERE CT_Store.ct_champion.model = ? AND CT_Store.ct_champion.seq = (SELECT max(CT_Store.ct_champion.seq) AS max_1
FROM CT_Store.ct_champion
WHERE CT_Store.ct_champion.model = ? AND CT_Store.ct_champion.since <= ?) ORDER BY CT_Store.ct_champion.seq;

SELECT CT_Store.ct_champion.model, CT_Store.ct_champion.seq, CT_Store.ct_champion.version, CT_Store.ct_champion.since, CT_Store.ct_champion.since_position, CT_Store.ct_champion.decision_id, CT_Store.ct_champion.actor
FROM CT_Store.ct_champion
WHERE CT_Store.ct_champion.model = ? AND CT_Store.ct_champion.seq = (SELECT max(CT_Store.ct_champion.seq) AS max_1
FROM CT_Store.ct_champion
WHERE CT_Store.ct_champion.model = ?) ORDER BY CT_Store.ct_champion.seq;

SELECT CT_Store.ct_champion.model, CT_Store.ct_champion.seq, CT_Store.ct_champion.version, CT_Store.ct_champion.since, CT_Store.ct_champion.since_position, CT_Store.ct_champion.decision_id, CT_Store.ct_champion.actor
FROM CT_Store.ct_champion
WHERE CT_Store.ct_champion.model = ? ORDER BY CT_Store.ct_champion.seq;

SELECT CT_Store.ct_champion.model, max(CT_Store.ct_champion.seq) AS max_1
FROM CT_Store.ct_champion GROUP BY CT_Store.ct_champion.model;

SELECT CT_Store.ct_cycle.cycle_id
FROM CT_Store.ct_cycle
WHERE CT_Store.ct_cycle.model = ? AND CT_Store.ct_cycle.open_slot = ?;

SELECT CT_Store.ct_cycle.cycle_id, CT_Store.ct_cycle.model, CT_Store.ct_cycle.seq, CT_Store.ct_cycle.open_slot, CT_Store.ct_cycle.state, CT_Store.ct_cycle.spec_digest, CT_Store.ct_cycle.opened_at, CT_Store.ct_cycle.closed_at, CT_Store.ct_cycle.event_now, CT_Store.ct_cycle.as_of_seq, CT_Store.ct_cycle.accept_reused
FROM CT_Store.ct_cycle
WHERE CT_Store.ct_cycle.cycle_id = ? ORDER BY CT_Store.ct_cycle.seq;

SELECT CT_Store.ct_cycle.cycle_id, CT_Store.ct_cycle.model, CT_Store.ct_cycle.seq, CT_Store.ct_cycle.open_slot, CT_Store.ct_cycle.state, CT_Store.ct_cycle.spec_digest, CT_Store.ct_cycle.opened_at, CT_Store.ct_cycle.closed_at, CT_Store.ct_cycle.event_now, CT_Store.ct_cycle.as_of_seq, CT_Store.ct_cycle.accept_reused
FROM CT_Store.ct_cycle
WHERE CT_Store.ct_cycle.model = ? AND CT_Store.ct_cycle.open_slot = ? ORDER BY CT_Store.ct_cycle.seq;

SELECT CT_Store.ct_cycle.cycle_id, CT_Store.ct_cycle.model, CT_Store.ct_cycle.seq, CT_Store.ct_cycle.open_slot, CT_Store.ct_cycle.state, CT_Store.ct_cycle.spec_digest, CT_Store.ct_cycle.opened_at, CT_Store.ct_cycle.closed_at, CT_Store.ct_cycle.event_now, CT_Store.ct_cycle.as_of_seq, CT_Store.ct_cycle.accept_reused
FROM CT_Store.ct_cycle
WHERE CT_Store.ct_cycle.model = ? ORDER BY CT_Store.ct_cycle.seq;

SELECT CT_Store.ct_decision.content
FROM CT_Store.ct_decision
WHERE CT_Store.ct_decision.decision_id = ?;

SELECT CT_Store.ct_decision.content
FROM CT_Store.ct_decision
WHERE CT_Store.ct_decision.model = ? AND CT_Store.ct_decision.seq > (SELECT max(CT_Store.ct_decision.seq) AS max_1
FROM CT_Store.ct_decision
WHERE CT_Store.ct_decision.model = ?) - ? ORDER BY CT_Store.ct_decision.seq;

SELECT CT_Store.ct_decision.content
FROM CT_Store.ct_decision
WHERE CT_Store.ct_decision.model = ? ORDER BY CT_Store.ct_decision.seq;

SELECT CT_Store.ct_decision.decision_id, CT_Store.ct_decision.model, CT_Store.ct_decision.seq, CT_Store.ct_decision.content, CT_Store.ct_decision.digest, CT_Store.ct_decision.kind, CT_Store.ct_decision.outcome, CT_Store.ct_decision.reason, CT_Store.ct_decision.actor, CT_Store.ct_decision.cycle_id, CT_Store.ct_decision.decided_at
FROM CT_Store.ct_decision
WHERE CT_Store.ct_decision.model = ? ORDER BY CT_Store.ct_decision.seq;

SELECT CT_Store.ct_decision.seq, CT_Store.ct_decision.digest
FROM CT_Store.ct_decision
WHERE CT_Store.ct_decision.model = ? AND CT_Store.ct_decision.seq = (SELECT max(CT_Store.ct_decision.seq) AS max_1
FROM CT_Store.ct_decision
WHERE CT_Store.ct_decision.model = ?);

SELECT CT_Store.ct_drift_report.content
FROM CT_Store.ct_drift_report
WHERE CT_Store.ct_drift_report.model = ? AND CT_Store.ct_drift_report.seq > (SELECT max(CT_Store.ct_drift_report.seq) AS max_1
FROM CT_Store.ct_drift_report
WHERE CT_Store.ct_drift_report.model = ?) - ? ORDER BY CT_Store.ct_drift_report.seq DESC;

SELECT CT_Store.ct_drift_report.seq
FROM CT_Store.ct_drift_report
WHERE CT_Store.ct_drift_report.report_id = ?;

SELECT CT_Store.ct_grid.content
FROM CT_Store.ct_grid
WHERE CT_Store.ct_grid.model = ? AND CT_Store.ct_grid.spec_digest = ?;

SELECT CT_Store.ct_lock.name
FROM CT_Store.ct_lock
WHERE CT_Store.ct_lock.name = ?;

SELECT CT_Store.ct_migration.number
FROM CT_Store.ct_migration;

SELECT CT_Store.ct_model_version.model, CT_Store.ct_model_version.version, CT_Store.ct_model_version.cycle_id, CT_Store.ct_model_version.spec_digest, CT_Store.ct_model_version.recipe_digest, CT_Store.ct_model_version.recipe_window, CT_Store.ct_model_version.recipe_rounds, CT_Store.ct_model_version.artifact, CT_Store.ct_model_version.artifact_digest, CT_Store.ct_model_version.refitted, CT_Store.ct_model_version.fit_from, CT_Store.ct_model_version.fit_until, CT_Store.ct_model_version.n_rows, CT_Store.ct_model_version.snapshot_digest, CT_Store.ct_model_version.metrics, CT_Store.ct_model_version.holdout_loss, CT_Store.ct_model_version.trained_at, CT_Store.ct_model_version.run_id, CT_Store.ct_model_version.registry_version
FROM CT_Store.ct_model_version
WHERE CT_Store.ct_model_version.cycle_id = ? ORDER BY CT_Store.ct_model_version.model, CT_Store.ct_model_version.version;

SELECT CT_Store.ct_model_version.model, CT_Store.ct_model_version.version, CT_Store.ct_model_version.cycle_id, CT_Store.ct_model_version.spec_digest, CT_Store.ct_model_version.recipe_digest, CT_Store.ct_model_version.recipe_window, CT_Store.ct_model_version.recipe_rounds, CT_Store.ct_model_version.artifact, CT_Store.ct_model_version.artifact_digest, CT_Store.ct_model_version.refitted, CT_Store.ct_model_version.fit_from, CT_Store.ct_model_version.fit_until, CT_Store.ct_model_version.n_rows, CT_Store.ct_model_version.snapshot_digest, CT_Store.ct_model_version.metrics, CT_Store.ct_model_version.holdout_loss, CT_Store.ct_model_version.trained_at, CT_Store.ct_model_version.run_id, CT_Store.ct_model_version.registry_version
FROM CT_Store.ct_model_version
WHERE CT_Store.ct_model_version.model = ? AND CT_Store.ct_model_version.version = ? ORDER BY CT_Store.ct_model_version.model, CT_Store.ct_model_version.version;

SELECT CT_Store.ct_model_version.model, CT_Store.ct_model_version.version, CT_Store.ct_model_version.cycle_id, CT_Store.ct_model_version.spec_digest, CT_Store.ct_model_version.recipe_digest, CT_Store.ct_model_version.recipe_window, CT_Store.ct_model_version.recipe_rounds, CT_Store.ct_model_version.artifact, CT_Store.ct_model_version.artifact_digest, CT_Store.ct_model_version.refitted, CT_Store.ct_model_version.fit_from, CT_Store.ct_model_version.fit_until, CT_Store.ct_model_version.n_rows, CT_Store.ct_model_version.snapshot_digest, CT_Store.ct_model_version.metrics, CT_Store.ct_model_version.holdout_loss, CT_Store.ct_model_version.trained_at, CT_Store.ct_model_version.run_id, CT_Store.ct_model_version.registry_version
FROM CT_Store.ct_model_version
WHERE CT_Store.ct_model_version.model = ? ORDER BY CT_Store.ct_model_version.model, CT_Store.ct_model_version.version;

SELECT CT_Store.ct_model_version.model, CT_Store.ct_model_version.version, CT_Store.ct_model_version.cycle_id, CT_Store.ct_model_version.spec_digest, CT_Store.ct_model_version.recipe_digest, CT_Store.ct_model_version.recipe_window, CT_Store.ct_model_version.recipe_rounds, CT_Store.ct_model_version.artifact, CT_Store.ct_model_version.artifact_digest, CT_Store.ct_model_version.refitted, CT_Store.ct_model_version.fit_from, CT_Store.ct_model_version.fit_until, CT_Store.ct_model_version.n_rows, CT_Store.ct_model_version.snapshot_digest, CT_Store.ct_model_version.metrics, CT_Store.ct_model_version.holdout_loss, CT_Store.ct_model_version.trained_at, CT_Store.ct_model_version.run_id, CT_Store.ct_model_version.registry_version
FROM CT_Store.ct_model_version
WHERE CT_Store.ct_model_version.run_id IS NULL ORDER BY CT_Store.ct_model_version.model, CT_Store.ct_model_version.version;

SELECT CT_Store.ct_package.package_id
FROM CT_Store.ct_package
WHERE CT_Store.ct_package.image = ?;

SELECT CT_Store.ct_package.package_id, CT_Store.ct_package.version, CT_Store.ct_package.image, CT_Store.ct_package.title, CT_Store.ct_package.author, CT_Store.ct_package.about, CT_Store.ct_package.status, CT_Store.ct_package.actor, CT_Store.ct_package.domain_name, CT_Store.ct_package.place, CT_Store.ct_package.runtime, CT_Store.ct_package.signed_by, CT_Store.ct_package.failure, CT_Store.ct_package.onboarded_at
FROM CT_Store.ct_package
WHERE CT_Store.ct_package.package_id = ? AND CT_Store.ct_package.version = ?;

SELECT CT_Store.ct_package.package_id, CT_Store.ct_package.version, CT_Store.ct_package.image, CT_Store.ct_package.title, CT_Store.ct_package.author, CT_Store.ct_package.about, CT_Store.ct_package.status, CT_Store.ct_package.actor, CT_Store.ct_package.domain_name, CT_Store.ct_package.place, CT_Store.ct_package.runtime, CT_Store.ct_package.signed_by, CT_Store.ct_package.failure, CT_Store.ct_package.onboarded_at
FROM CT_Store.ct_package ORDER BY CT_Store.ct_package.onboarded_at DESC, CT_Store.ct_package.package_id, CT_Store.ct_package.version;

SELECT CT_Store.ct_prediction.file_seq
FROM CT_Store.ct_prediction
WHERE CT_Store.ct_prediction.model = ? AND CT_Store.ct_prediction.puid IN (?, ...);

SELECT CT_Store.ct_prediction.model, CASE WHEN (CT_Store.ct_prediction.puid IS NOT NULL) THEN CT_Store.ct_prediction.puid ELSE CT_Store.ct_prediction_file.request_id END AS request_id, CASE WHEN (CT_Store.ct_prediction.request_place IS NOT NULL) THEN CT_Store.ct_prediction.request_place ELSE CT_Store.ct_prediction.place END AS place, CT_Store.ct_prediction.row_key, CT_Store.ct_prediction.row_position, CT_Store.ct_prediction.prediction, CT_Store.ct_prediction.prediction_number, CT_Store.ct_prediction.prediction_probability, CT_Store.ct_prediction_file.version AS model_version, CT_Store.ct_prediction_file.batch_id, CAST(REPLACE(SUBSTRING(CASE WHEN (CT_Store.ct_prediction.predicted_at IS NOT NULL) THEN CT_Store.ct_prediction.predicted_at ELSE CT_Store.ct_prediction_file.predicted_at END, 1, 26), 'T', ' ') AS TIMESTAMP) AS predicted_at
FROM CT_Store.ct_prediction_file JOIN CT_Store.ct_prediction ON CT_Store.ct_prediction.model = CT_Store.ct_prediction_file.model AND CT_Store.ct_prediction.file_seq = CT_Store.ct_prediction_file.seq
WHERE CT_Store.ct_prediction_file.n_projected = CT_Store.ct_prediction_file.n_rows;

SELECT CT_Store.ct_prediction_file.model, CT_Store.ct_prediction_file.request_id, CT_Store.ct_prediction_file.seq, CT_Store.ct_prediction_file.version, CT_Store.ct_prediction_file.batch_id, CT_Store.ct_prediction_file.n_rows, CT_Store.ct_prediction_file.path, CT_Store.ct_prediction_file.file_digest, CT_Store.ct_prediction_file.predicted_at, CT_Store.ct_prediction_file.purged_at, CT_Store.ct_prediction_file.n_projected, CT_Store.ct_prediction_file.shadow, CT_Store.ct_prediction_file.predicted_from, CT_Store.ct_prediction_file.n_keyed, CT_Store.ct_prediction_file.first_key, CT_Store.ct_prediction_file.last_key
FROM CT_Store.ct_prediction_file
WHERE CT_Store.ct_prediction_file.model = ? AND CT_Store.ct_prediction_file.path != ? AND CT_Store.ct_prediction_file.shadow = ? ORDER BY CT_Store.ct_prediction_file.seq;

SELECT CT_Store.ct_prediction_file.model, CT_Store.ct_prediction_file.request_id, CT_Store.ct_prediction_file.seq, CT_Store.ct_prediction_file.version, CT_Store.ct_prediction_file.batch_id, CT_Store.ct_prediction_file.n_rows, CT_Store.ct_prediction_file.path, CT_Store.ct_prediction_file.file_digest, CT_Store.ct_prediction_file.predicted_at, CT_Store.ct_prediction_file.purged_at, CT_Store.ct_prediction_file.n_projected, CT_Store.ct_prediction_file.shadow, CT_Store.ct_prediction_file.predicted_from, CT_Store.ct_prediction_file.n_keyed, CT_Store.ct_prediction_file.first_key, CT_Store.ct_prediction_file.last_key
FROM CT_Store.ct_prediction_file
WHERE CT_Store.ct_prediction_file.predicted_at < ? AND CT_Store.ct_prediction_file.path != ? AND CT_Store.ct_prediction_file.model = ? ORDER BY CT_Store.ct_prediction_file.predicted_at, CT_Store.ct_prediction_file.request_id;

SELECT CT_Store.ct_prediction_file.path
FROM CT_Store.ct_prediction_file
WHERE CT_Store.ct_prediction_file.model = ?;

SELECT CT_Store.ct_prediction_file.path, CT_Store.ct_prediction_file.n_projected
FROM CT_Store.ct_prediction_file
WHERE CT_Store.ct_prediction_file.model = ? AND CT_Store.ct_prediction_file.seq = ?;

SELECT CT_Store.ct_prediction_file.seq
FROM CT_Store.ct_prediction_file
WHERE CT_Store.ct_prediction_file.model = ? AND CT_Store.ct_prediction_file.n_projected < CT_Store.ct_prediction_file.n_rows AND CT_Store.ct_prediction_file.path != ? AND CT_Store.ct_prediction_file.shadow = ? ORDER BY CT_Store.ct_prediction_file.seq DESC;

SELECT CT_Store.ct_prediction_file.seq
FROM CT_Store.ct_prediction_file
WHERE CT_Store.ct_prediction_file.model = ? AND CT_Store.ct_prediction_file.n_projected > ? ORDER BY CT_Store.ct_prediction_file.seq DESC;

SELECT CT_Store.ct_prediction_file.seq
FROM CT_Store.ct_prediction_file
WHERE CT_Store.ct_prediction_file.model = ? AND CT_Store.ct_prediction_file.request_id = ?;

SELECT CT_Store.ct_prediction_file.seq, CT_Store.ct_prediction_file.path, CT_Store.ct_prediction_file.version, CT_Store.ct_prediction_file.n_rows, CT_Store.ct_prediction_file.n_projected, CT_Store.ct_prediction_file.predicted_from
FROM CT_Store.ct_prediction_file
WHERE CT_Store.ct_prediction_file.model = ? AND CT_Store.ct_prediction_file.path != ? AND CT_Store.ct_prediction_file.shadow = ? AND CT_Store.ct_prediction_file.predicted_from IS NOT NULL;

SELECT CT_Store.ct_prediction_file.version, sum(CT_Store.ct_prediction_file.n_rows) AS sum_1
FROM CT_Store.ct_prediction_file
WHERE CT_Store.ct_prediction_file.model = ? AND CT_Store.ct_prediction_file.shadow = ? GROUP BY CT_Store.ct_prediction_file.version ORDER BY CT_Store.ct_prediction_file.version;

SELECT CT_Store.ct_quarantine.batch_id, CT_Store.ct_quarantine.model, CT_Store.ct_quarantine.seq, CT_Store.ct_quarantine.n_rows, CT_Store.ct_quarantine.whole_batch, CT_Store.ct_quarantine.reasons, CT_Store.ct_quarantine.path, CT_Store.ct_quarantine.arrived_at, CT_Store.ct_quarantine.released_at, CT_Store.ct_quarantine.released_by, CT_Store.ct_quarantine.released_in, CT_Store.ct_quarantine.purged_at
FROM CT_Store.ct_quarantine
WHERE CT_Store.ct_quarantine.arrived_at < ? AND CT_Store.ct_quarantine.path != ? AND CT_Store.ct_quarantine.model = ? ORDER BY CT_Store.ct_quarantine.arrived_at, CT_Store.ct_quarantine.batch_id;

SELECT CT_Store.ct_quarantine.batch_id, CT_Store.ct_quarantine.model, CT_Store.ct_quarantine.seq, CT_Store.ct_quarantine.n_rows, CT_Store.ct_quarantine.whole_batch, CT_Store.ct_quarantine.reasons, CT_Store.ct_quarantine.path, CT_Store.ct_quarantine.arrived_at, CT_Store.ct_quarantine.released_at, CT_Store.ct_quarantine.released_by, CT_Store.ct_quarantine.released_in, CT_Store.ct_quarantine.purged_at
FROM CT_Store.ct_quarantine
WHERE CT_Store.ct_quarantine.model = ? AND CT_Store.ct_quarantine.purged_at IS NULL AND CT_Store.ct_quarantine.released_at IS NULL ORDER BY CT_Store.ct_quarantine.seq;

SELECT CT_Store.ct_quarantine.batch_id, CT_Store.ct_quarantine.model, CT_Store.ct_quarantine.seq, CT_Store.ct_quarantine.n_rows, CT_Store.ct_quarantine.whole_batch, CT_Store.ct_quarantine.reasons, CT_Store.ct_quarantine.path, CT_Store.ct_quarantine.arrived_at, CT_Store.ct_quarantine.released_at, CT_Store.ct_quarantine.released_by, CT_Store.ct_quarantine.released_in, CT_Store.ct_quarantine.purged_at
FROM CT_Store.ct_quarantine
WHERE CT_Store.ct_quarantine.model = ? AND CT_Store.ct_quarantine.purged_at IS NULL ORDER BY CT_Store.ct_quarantine.seq;

SELECT CT_Store.ct_quarantine.released_in
FROM CT_Store.ct_quarantine
WHERE CT_Store.ct_quarantine.batch_id = ?;

SELECT CT_Store.ct_reference.content
FROM CT_Store.ct_reference
WHERE CT_Store.ct_reference.model = ? AND CT_Store.ct_reference.version = ?;

SELECT CT_Store.ct_registry_alias.champion_seq
FROM CT_Store.ct_registry_alias
WHERE CT_Store.ct_registry_alias.model = ?;

SELECT CT_Store.ct_registry_alias.model, CT_Store.ct_registry_alias.champion_seq
FROM CT_Store.ct_registry_alias;

SELECT CT_Store.ct_row_table.layout, CT_Store.ct_row_table.through_seq, CT_Store.ct_row_table.n_rows
FROM CT_Store.ct_row_table
WHERE CT_Store.ct_row_table.model = ?;

SELECT CT_Store.ct_rows_bikes.row_key, CT_Store.ct_rows_bikes."y"
FROM CT_Store.ct_rows_bikes;

SELECT CT_Store.ct_rows_bikes.row_key, CT_Store.ct_rows_bikes.row_position, CT_Store.ct_rows_bikes."c0"
FROM CT_Store.ct_rows_bikes
WHERE CT_Store.ct_rows_bikes.row_key IN (?, ...);

SELECT CT_Store.ct_rows_bikes.row_key, CT_Store.ct_rows_bikes.row_position, CT_Store.ct_rows_bikes."y"
FROM CT_Store.ct_rows_bikes
WHERE CT_Store.ct_rows_bikes.row_key IN (?, ...);

SELECT CT_Store.ct_service.name, CT_Store.ct_service.content, CT_Store.ct_service.actor, CT_Store.ct_service.turn, CT_Store.ct_service.started_at, CT_Store.ct_service.changed_at
FROM CT_Store.ct_service
WHERE CT_Store.ct_service.name = ?;

SELECT CT_Store.ct_service.name, CT_Store.ct_service.content, CT_Store.ct_service.actor, CT_Store.ct_service.turn, CT_Store.ct_service.started_at, CT_Store.ct_service.changed_at
FROM CT_Store.ct_service ORDER BY CT_Store.ct_service.name;

SELECT CT_Store.ct_snapshot.path
FROM CT_Store.ct_snapshot
WHERE CT_Store.ct_snapshot.model = ?;

SELECT CT_Store.ct_snapshot.path, CT_Store.ct_snapshot.size_bytes
FROM CT_Store.ct_snapshot
WHERE CT_Store.ct_snapshot.snapshot_id = ?;

SELECT CT_Store.ct_snapshot.snapshot_id, CT_Store.ct_snapshot.model, CT_Store.ct_snapshot.spec_digest, CT_Store.ct_snapshot.path, CT_Store.ct_snapshot.digest, CT_Store.ct_snapshot.as_of_seq, CT_Store.ct_snapshot.from_position, CT_Store.ct_snapshot.horizon, CT_Store.ct_snapshot.n_rows, CT_Store.ct_snapshot.first_position, CT_Store.ct_snapshot.last_position
FROM CT_Store.ct_snapshot
WHERE CT_Store.ct_snapshot.snapshot_id = ?;

SELECT CT_Store.ct_snapshot.snapshot_id, CT_Store.ct_snapshot.model, CT_Store.ct_snapshot.spec_digest, CT_Store.ct_snapshot.path, CT_Store.ct_snapshot.digest, CT_Store.ct_snapshot.size_bytes, CT_Store.ct_snapshot.as_of_seq, CT_Store.ct_snapshot.from_position, CT_Store.ct_snapshot.horizon, CT_Store.ct_snapshot.n_rows, CT_Store.ct_snapshot.first_position, CT_Store.ct_snapshot.last_position, CT_Store.ct_snapshot.cut_at, CT_Store.ct_snapshot.purged_at
FROM CT_Store.ct_snapshot
WHERE CT_Store.ct_snapshot.cut_at < ? AND CT_Store.ct_snapshot.path != ? AND CT_Store.ct_snapshot.model = ? AND CT_Store.ct_snapshot.cut_at < ? ORDER BY CT_Store.ct_snapshot.cut_at, CT_Store.ct_snapshot.snapshot_id;

SELECT CT_Store.ct_snapshot.snapshot_id, CT_Store.ct_snapshot.model, CT_Store.ct_snapshot.spec_digest, CT_Store.ct_snapshot.path, CT_Store.ct_snapshot.digest, CT_Store.ct_snapshot.size_bytes, CT_Store.ct_snapshot.as_of_seq, CT_Store.ct_snapshot.from_position, CT_Store.ct_snapshot.horizon, CT_Store.ct_snapshot.n_rows, CT_Store.ct_snapshot.first_position, CT_Store.ct_snapshot.last_position, CT_Store.ct_snapshot.cut_at, CT_Store.ct_snapshot.purged_at
FROM CT_Store.ct_snapshot
WHERE CT_Store.ct_snapshot.cut_at < ? AND CT_Store.ct_snapshot.path != ? AND CT_Store.ct_snapshot.model = ? AND CT_Store.ct_snapshot.digest != ? ORDER BY CT_Store.ct_snapshot.cut_at, CT_Store.ct_snapshot.snapshot_id;

SELECT CT_Store.ct_snapshot.snapshot_id, CT_Store.ct_snapshot.model, CT_Store.ct_snapshot.spec_digest, CT_Store.ct_snapshot.path, CT_Store.ct_snapshot.digest, CT_Store.ct_snapshot.size_bytes, CT_Store.ct_snapshot.as_of_seq, CT_Store.ct_snapshot.from_position, CT_Store.ct_snapshot.horizon, CT_Store.ct_snapshot.n_rows, CT_Store.ct_snapshot.first_position, CT_Store.ct_snapshot.last_position, CT_Store.ct_snapshot.cut_at, CT_Store.ct_snapshot.purged_at
FROM CT_Store.ct_snapshot
WHERE CT_Store.ct_snapshot.cut_at < ? AND CT_Store.ct_snapshot.path != ? AND CT_Store.ct_snapshot.model = ? ORDER BY CT_Store.ct_snapshot.cut_at, CT_Store.ct_snapshot.snapshot_id;

SELECT CT_Store.ct_source.model, CT_Store.ct_source.place, CT_Store.ct_source.turn, CT_Store.ct_source.newest_id, CT_Store.ct_source.window_from, CT_Store.ct_source.settled_mark, CT_Store.ct_source.settling_mark, CT_Store.ct_source.settling_at, CT_Store.ct_source.swept_to, CT_Store.ct_source.swept_at, CT_Store.ct_source.looked_at, CT_Store.ct_source.read_at, CT_Store.ct_source.n_new, CT_Store.ct_source.n_changed, CT_Store.ct_source.n_deleted, CT_Store.ct_source.n_batches, CT_Store.ct_source.n_failures, CT_Store.ct_source.failure, CT_Store.ct_source.pending
FROM CT_Store.ct_source
WHERE CT_Store.ct_source.model = ?;

SELECT CT_Store.ct_source_ids.content
FROM CT_Store.ct_source_ids
WHERE CT_Store.ct_source_ids.model = ? AND CT_Store.ct_source_ids.from_id = ?;

SELECT CT_Store.ct_source_ids.from_id
FROM CT_Store.ct_source_ids
WHERE CT_Store.ct_source_ids.model = ? AND CT_Store.ct_source_ids.from_id > ? ORDER BY CT_Store.ct_source_ids.from_id;

SELECT CT_Store.ct_source_ids.from_id
FROM CT_Store.ct_source_ids
WHERE CT_Store.ct_source_ids.model = ? ORDER BY CT_Store.ct_source_ids.from_id;

SELECT CT_Store.ct_source_row.model, CT_Store.ct_source_row.source_id, CT_Store.ct_source_row.row_digest, CT_Store.ct_source_row.read_at
FROM CT_Store.ct_source_row
WHERE CT_Store.ct_source_row.model = ? AND CT_Store.ct_source_row.source_id > ? AND CT_Store.ct_source_row.source_id <= ? ORDER BY CT_Store.ct_source_row.source_id;

SELECT CT_Store.ct_source_row.model, CT_Store.ct_source_row.source_id, CT_Store.ct_source_row.row_digest, CT_Store.ct_source_row.read_at
FROM CT_Store.ct_source_row
WHERE CT_Store.ct_source_row.model = ? AND CT_Store.ct_source_row.source_id IN (?, ...);

SELECT CT_Store.ct_source_row.model, CT_Store.ct_source_row.source_id, CT_Store.ct_source_row.row_digest, CT_Store.ct_source_row.read_at
FROM CT_Store.ct_source_row
WHERE CT_Store.ct_source_row.model = ? ORDER BY CT_Store.ct_source_row.source_id;

SELECT CT_Store.ct_specification.content
FROM CT_Store.ct_specification
WHERE CT_Store.ct_specification.digest = ?;

SELECT CT_Store.ct_specification.model, CT_Store.ct_specification.number, CT_Store.ct_specification.digest, CT_Store.ct_specification.content, CT_Store.ct_specification.actor, CT_Store.ct_specification.recorded_at, CT_Store.ct_specification.changed, CT_Store.ct_specification.forces_retraining
FROM CT_Store.ct_specification
WHERE CT_Store.ct_specification.model = ? ORDER BY CT_Store.ct_specification.number;

SELECT CT_Store.ct_specification.number, CT_Store.ct_specification.digest, CT_Store.ct_specification.content
FROM CT_Store.ct_specification
WHERE CT_Store.ct_specification.model = ? AND CT_Store.ct_specification.number = (SELECT max(CT_Store.ct_specification.number) AS max_1
FROM CT_Store.ct_specification
WHERE CT_Store.ct_specification.model = ?);

SELECT CT_Store.ct_spent_rows.cycle_id
FROM CT_Store.ct_spent_rows
WHERE CT_Store.ct_spent_rows.cycle_id = ?;

SELECT CT_Store.ct_spent_rows.cycle_id, CT_Store.ct_spent_rows.first_position, CT_Store.ct_spent_rows.last_position, CT_Store.ct_spent_rows.n_rows
FROM CT_Store.ct_spent_rows
WHERE CT_Store.ct_spent_rows.model = ? ORDER BY CT_Store.ct_spent_rows.first_position, CT_Store.ct_spent_rows.cycle_id;

SELECT CT_Store.ct_summary.content
FROM CT_Store.ct_summary
WHERE CT_Store.ct_summary.model = ? AND CT_Store.ct_summary.last_position >= ? AND CT_Store.ct_summary.first_position <= ? AND CT_Store.ct_summary.seq <= ? ORDER BY CT_Store.ct_summary.seq;

SELECT CT_Store.ct_trigger.cycle_id, CT_Store.ct_trigger.place
FROM CT_Store.ct_trigger
WHERE CT_Store.ct_trigger.trigger_id = ?;

SELECT CT_Store.ct_trigger.trigger_id, CT_Store.ct_trigger.cycle_id, CT_Store.ct_trigger.place, CT_Store.ct_trigger.model, CT_Store.ct_trigger.reason, CT_Store.ct_trigger.actor, CT_Store.ct_trigger.event_now, CT_Store.ct_trigger.asked_at, CT_Store.ct_trigger.facts
FROM CT_Store.ct_trigger JOIN CT_Store.ct_cycle ON CT_Store.ct_cycle.cycle_id = CT_Store.ct_trigger.cycle_id
WHERE CT_Store.ct_cycle.cycle_id = ? ORDER BY CT_Store.ct_trigger.place;

SELECT CT_Store.ct_trigger.trigger_id, CT_Store.ct_trigger.cycle_id, CT_Store.ct_trigger.place, CT_Store.ct_trigger.model, CT_Store.ct_trigger.reason, CT_Store.ct_trigger.actor, CT_Store.ct_trigger.event_now, CT_Store.ct_trigger.asked_at, CT_Store.ct_trigger.facts
FROM CT_Store.ct_trigger JOIN CT_Store.ct_cycle ON CT_Store.ct_cycle.cycle_id = CT_Store.ct_trigger.cycle_id
WHERE CT_Store.ct_cycle.model = ? AND CT_Store.ct_cycle.open_slot = ? ORDER BY CT_Store.ct_trigger.place;

SELECT CT_Store.ct_trigger.trigger_id, CT_Store.ct_trigger.cycle_id, CT_Store.ct_trigger.place, CT_Store.ct_trigger.model, CT_Store.ct_trigger.reason, CT_Store.ct_trigger.actor, CT_Store.ct_trigger.event_now, CT_Store.ct_trigger.asked_at, CT_Store.ct_trigger.facts
FROM CT_Store.ct_trigger JOIN CT_Store.ct_cycle ON CT_Store.ct_cycle.cycle_id = CT_Store.ct_trigger.cycle_id
WHERE CT_Store.ct_cycle.model = ? ORDER BY CT_Store.ct_trigger.place;

SELECT DISTINCT CT_Store.ct_prediction_file.model
FROM CT_Store.ct_prediction_file
WHERE CT_Store.ct_prediction_file.n_projected < CT_Store.ct_prediction_file.n_rows AND CT_Store.ct_prediction_file.path != ? AND CT_Store.ct_prediction_file.shadow = ?;

SELECT DISTINCT CT_Store.ct_prediction_file.model
FROM CT_Store.ct_prediction_file
WHERE CT_Store.ct_prediction_file.n_projected > ?;

SELECT DISTINCT CT_Store.ct_prediction_file.model
FROM CT_Store.ct_prediction_file
WHERE CT_Store.ct_prediction_file.predicted_from IS NOT NULL;

SELECT DISTINCT CT_Store.ct_specification.model
FROM CT_Store.ct_specification;

SELECT TABLE_NAME
FROM INFORMATION_SCHEMA.TABLES
WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?;

SELECT TABLE_NAME
FROM INFORMATION_SCHEMA.VIEWS
WHERE TABLE_SCHEMA = ?;

SELECT anon_1.event_id, anon_1.model, anon_1.step, anon_1.severity, anon_1.sentence, anon_1.facts, anon_1.happened_at, anon_1.written, anon_1.place
FROM (SELECT CT_Store.ct_audit_event.event_id AS event_id, CT_Store.ct_audit_event.model AS model, CT_Store.ct_audit_event.step AS step, CT_Store.ct_audit_event.severity AS severity, CT_Store.ct_audit_event.sentence AS sentence, CT_Store.ct_audit_event.facts AS facts, CT_Store.ct_audit_event.happened_at AS happened_at, CT_Store.ct_audit_event.written AS written, row_number() OVER (ORDER BY CT_Store.ct_audit_event.happened_at DESC, CT_Store.ct_audit_event.event_id DESC) AS place
FROM CT_Store.ct_audit_event
WHERE CT_Store.ct_audit_event.model = ?) AS anon_1
WHERE anon_1.place <= ? ORDER BY anon_1.place DESC;

SELECT anon_1.event_id, anon_1.model, anon_1.step, anon_1.severity, anon_1.sentence, anon_1.facts, anon_1.happened_at, anon_1.written, anon_1.place
FROM (SELECT CT_Store.ct_audit_event.event_id AS event_id, CT_Store.ct_audit_event.model AS model, CT_Store.ct_audit_event.step AS step, CT_Store.ct_audit_event.severity AS severity, CT_Store.ct_audit_event.sentence AS sentence, CT_Store.ct_audit_event.facts AS facts, CT_Store.ct_audit_event.happened_at AS happened_at, CT_Store.ct_audit_event.written AS written, row_number() OVER (ORDER BY CT_Store.ct_audit_event.happened_at DESC, CT_Store.ct_audit_event.event_id DESC) AS place
FROM CT_Store.ct_audit_event) AS anon_1
WHERE anon_1.place <= ? ORDER BY anon_1.place DESC;

SELECT count(*) AS count_1
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.model = ? AND CT_Store.ct_batch.kind = ? AND CT_Store.ct_batch.path != ? AND CT_Store.ct_batch.seq < ?;

SELECT count(*) AS count_1
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.model = ? AND CT_Store.ct_batch.kind = ? AND CT_Store.ct_batch.path != ? AND CT_Store.ct_batch.seq > ?;

SELECT count(*) AS count_1
FROM CT_Store.ct_trigger
WHERE CT_Store.ct_trigger.cycle_id = ?;

SELECT max(CT_Store.ct_batch.first_row + CT_Store.ct_batch.n_rows) AS max_1
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.model = ? AND CT_Store.ct_batch.kind = ?;

SELECT max(CT_Store.ct_batch.last_position) AS max_1
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.model = ?;

SELECT max(CT_Store.ct_batch.last_position) AS max_1
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.model = ? AND CT_Store.ct_batch.seq <= ?;

SELECT max(CT_Store.ct_batch.seq) AS max_1
FROM CT_Store.ct_batch
WHERE CT_Store.ct_batch.model = ?;

SELECT max(CT_Store.ct_cycle.seq) AS max_1
FROM CT_Store.ct_cycle
WHERE CT_Store.ct_cycle.model = ?;

SELECT max(CT_Store.ct_drift_report.seq) AS max_1
FROM CT_Store.ct_drift_report
WHERE CT_Store.ct_drift_report.model = ?;

SELECT max(CT_Store.ct_model_version.version) AS max_1
FROM CT_Store.ct_model_version
WHERE CT_Store.ct_model_version.model = ?;

SELECT max(CT_Store.ct_prediction_file.seq) AS max_1
FROM CT_Store.ct_prediction_file
WHERE CT_Store.ct_prediction_file.model = ?;

SELECT sum(CT_Store.ct_quarantine.n_rows) AS sum_1, sum(CT_Store.ct_quarantine.whole_batch) AS sum_2
FROM CT_Store.ct_quarantine
WHERE CT_Store.ct_quarantine.model = ? AND CT_Store.ct_quarantine.released_at IS NULL AND CT_Store.ct_quarantine.purged_at IS NULL;

UPDATE CT_Store.ct_audit_event SET written=? WHERE CT_Store.ct_audit_event.event_id = ?;

UPDATE CT_Store.ct_batch SET path=?, purged_at=? WHERE CT_Store.ct_batch.model = ? AND CT_Store.ct_batch.batch_id = ?;

UPDATE CT_Store.ct_batch SET quarantine_path=? WHERE CT_Store.ct_batch.batch_id = ?;

UPDATE CT_Store.ct_cycle SET accept_reused=? WHERE CT_Store.ct_cycle.cycle_id = ?;

UPDATE CT_Store.ct_cycle SET as_of_seq=? WHERE CT_Store.ct_cycle.cycle_id = ? AND CT_Store.ct_cycle.as_of_seq IS NULL;

UPDATE CT_Store.ct_cycle SET open_slot=CT_Store.ct_cycle.seq, state=?, closed_at=? WHERE CT_Store.ct_cycle.cycle_id = ? AND CT_Store.ct_cycle.open_slot = ?;

UPDATE CT_Store.ct_lock SET turns=(CT_Store.ct_lock.turns + ?) WHERE CT_Store.ct_lock.name = ?;

UPDATE CT_Store.ct_model_version SET run_id=?, registry_version=? WHERE CT_Store.ct_model_version.model = ? AND CT_Store.ct_model_version.version = ? AND CT_Store.ct_model_version.run_id IS NULL;

UPDATE CT_Store.ct_prediction_file SET n_projected=? WHERE CT_Store.ct_prediction_file.model = ? AND CT_Store.ct_prediction_file.seq = ?;

UPDATE CT_Store.ct_prediction_file SET path=?, purged_at=? WHERE CT_Store.ct_prediction_file.model = ? AND CT_Store.ct_prediction_file.request_id = ?;

UPDATE CT_Store.ct_quarantine SET path=?, purged_at=? WHERE CT_Store.ct_quarantine.model = ? AND CT_Store.ct_quarantine.batch_id = ?;

UPDATE CT_Store.ct_quarantine SET released_at=?, released_by=?, released_in=? WHERE CT_Store.ct_quarantine.batch_id = ? AND CT_Store.ct_quarantine.released_at IS NULL;

UPDATE CT_Store.ct_registry_alias SET champion_seq=? WHERE CT_Store.ct_registry_alias.model = ?;

UPDATE CT_Store.ct_row_table SET n_rows=? WHERE CT_Store.ct_row_table.model = ?;

UPDATE CT_Store.ct_row_table SET through_seq=?, n_rows=? WHERE CT_Store.ct_row_table.model = ?;

UPDATE CT_Store.ct_rows_bikes SET "y"=? WHERE CT_Store.ct_rows_bikes.row_key = ?;

UPDATE CT_Store.ct_service SET content=?, turn=?, changed_at=? WHERE CT_Store.ct_service.name = ?;

UPDATE CT_Store.ct_snapshot SET path=?, purged_at=? WHERE CT_Store.ct_snapshot.model = ? AND CT_Store.ct_snapshot.snapshot_id = ?;

UPDATE CT_Store.ct_source SET place=?, turn=?, newest_id=?, window_from=?, settled_mark=?, settling_mark=?, settling_at=?, swept_to=?, swept_at=?, looked_at=?, read_at=?, n_new=?, n_changed=?, n_deleted=?, n_batches=?, n_failures=?, failure=?, pending=? WHERE CT_Store.ct_source.model = ?;
