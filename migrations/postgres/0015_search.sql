-- What searches by attributes need: names in every form they are typed in, the order of results, and what series and
-- studies say of the procedure.

-- A patient's name as written, in Han characters, by sound and by initials; see src/dicom/spelling.rs.
CREATE TABLE name_form (
    patient_id  BIGINT NOT NULL REFERENCES patient (id),
    kind        TEXT COLLATE "C" NOT NULL,
    form        TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, form, patient_id)
);

-- Patients from before this table; emptied when the program starts.
CREATE TABLE patient_unnamed (patient_id BIGINT PRIMARY KEY REFERENCES patient (id));
INSERT INTO patient_unnamed SELECT id FROM patient;

CREATE INDEX patient_pid ON patient (pid);
CREATE INDEX study_when ON study (study_date, study_time, id);
CREATE INDEX study_site_when ON study (site_id, study_date, study_time, id);
DROP INDEX study_date;

ALTER TABLE study ADD COLUMN referring_raw TEXT COLLATE "C" NOT NULL DEFAULT '';   -- all component groups
ALTER TABLE study ADD COLUMN referring_forms TEXT COLLATE "C" NOT NULL DEFAULT ''; -- in small letters, each between '='
ALTER TABLE study ADD COLUMN timezone TEXT COLLATE "C" NOT NULL DEFAULT '';        -- Timezone Offset From UTC

ALTER TABLE series ADD COLUMN performed_date TEXT COLLATE "C" NOT NULL DEFAULT ''; -- Performed Procedure Step Start Date
ALTER TABLE series ADD COLUMN performed_time TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Request Attributes Sequence of a series.
CREATE TABLE series_request (
    series_id       BIGINT NOT NULL REFERENCES series (id),
    procedure_id    TEXT COLLATE "C" NOT NULL,                   -- Requested Procedure ID
    step_id         TEXT COLLATE "C" NOT NULL,                   -- Scheduled Procedure Step ID
    PRIMARY KEY (series_id, procedure_id, step_id)
);
CREATE INDEX series_request_procedure ON series_request (procedure_id);
CREATE INDEX series_request_step ON series_request (step_id);
