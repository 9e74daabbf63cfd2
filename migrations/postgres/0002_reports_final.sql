-- A signed report is immutable, whoever writes the SQL: only its PDF may be attached, once. See src/index/reports.

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'a signed report is final'; END $$;

CREATE TRIGGER report_final BEFORE UPDATE ON report FOR EACH ROW
WHEN (OLD.state = 'signed' AND (
    NEW.id <> OLD.id OR NEW.case_id <> OLD.case_id OR NEW.version <> OLD.version OR NEW.state <> OLD.state
    OR NEW.template <> OLD.template OR NEW.findings <> OLD.findings OR NEW.impression <> OLD.impression
    OR NEW.note <> OLD.note OR NEW.rev <> OLD.rev OR NEW.saved_us <> OLD.saved_us
    OR NEW.signatures_needed <> OLD.signatures_needed OR NEW.number IS DISTINCT FROM OLD.number
    OR NEW.verify_code IS DISTINCT FROM OLD.verify_code OR NEW.content IS DISTINCT FROM OLD.content
    OR NEW.content_sha256 IS DISTINCT FROM OLD.content_sha256 OR NEW.signed_us IS DISTINCT FROM OLD.signed_us
    OR OLD.pdf_key IS NOT NULL))
EXECUTE FUNCTION refuse_change();

CREATE TRIGGER report_kept BEFORE DELETE ON report FOR EACH ROW WHEN (OLD.state = 'signed')
EXECUTE FUNCTION refuse_change();

CREATE TRIGGER signature_final BEFORE UPDATE ON report_signature FOR EACH ROW
EXECUTE FUNCTION refuse_change();

-- A trigger's condition cannot look at another table here, so the function does.
CREATE FUNCTION refuse_if_signed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM report r WHERE r.id = COALESCE(NEW.report_id, OLD.report_id) AND r.state = 'signed') THEN
        RAISE EXCEPTION 'a signed report is final';
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER signature_kept BEFORE DELETE ON report_signature FOR EACH ROW
EXECUTE FUNCTION refuse_if_signed();

CREATE TRIGGER signature_late BEFORE INSERT ON report_signature FOR EACH ROW
EXECUTE FUNCTION refuse_if_signed();

CREATE TRIGGER case_final BEFORE UPDATE OF state ON case_ FOR EACH ROW
WHEN (OLD.state = 'signed' AND NEW.state <> 'signed')
EXECUTE FUNCTION refuse_change();

CREATE INDEX report_unprinted ON report (signed_us) WHERE state = 'signed' AND pdf_key IS NULL;
