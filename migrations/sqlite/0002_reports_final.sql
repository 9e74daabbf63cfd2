-- A signed report is immutable, whoever writes the SQL: only its PDF may be attached, once. See src/index/reports.

CREATE TRIGGER report_final BEFORE UPDATE ON report
WHEN OLD.state = 'signed' AND (
    NEW.id <> OLD.id OR NEW.case_id <> OLD.case_id OR NEW.version <> OLD.version OR NEW.state <> OLD.state
    OR NEW.template <> OLD.template OR NEW.findings <> OLD.findings OR NEW.impression <> OLD.impression
    OR NEW.note <> OLD.note OR NEW.rev <> OLD.rev OR NEW.saved_us <> OLD.saved_us
    OR NEW.signatures_needed <> OLD.signatures_needed OR NEW.number IS NOT OLD.number
    OR NEW.verify_code IS NOT OLD.verify_code OR NEW.content IS NOT OLD.content
    OR NEW.content_sha256 IS NOT OLD.content_sha256 OR NEW.signed_us IS NOT OLD.signed_us OR OLD.pdf_key IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'a signed report is final'); END;

CREATE TRIGGER report_kept BEFORE DELETE ON report WHEN OLD.state = 'signed'
BEGIN SELECT RAISE(ABORT, 'a signed report is final'); END;

CREATE TRIGGER signature_final BEFORE UPDATE ON report_signature
BEGIN SELECT RAISE(ABORT, 'a signature is final'); END;

CREATE TRIGGER signature_kept BEFORE DELETE ON report_signature
WHEN EXISTS (SELECT 1 FROM report r WHERE r.id = OLD.report_id AND r.state = 'signed')
BEGIN SELECT RAISE(ABORT, 'a signed report is final'); END;

CREATE TRIGGER signature_late BEFORE INSERT ON report_signature
WHEN EXISTS (SELECT 1 FROM report r WHERE r.id = NEW.report_id AND r.state = 'signed')
BEGIN SELECT RAISE(ABORT, 'a signed report is final'); END;

CREATE TRIGGER case_final BEFORE UPDATE OF state ON case_ WHEN OLD.state = 'signed' AND NEW.state <> 'signed'
BEGIN SELECT RAISE(ABORT, 'a signed case is final'); END;

CREATE INDEX report_unprinted ON report (signed_us) WHERE state = 'signed' AND pdf_key IS NULL;
