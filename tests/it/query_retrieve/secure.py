"""A workstation over TLS: the center's port, its own, authority, certificate, key, a file, its title and a study are the
arguments.
"""

import queue
import ssl
import sys

import pydicom
from pydicom.uid import generate_uid
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelGet,
    Verification,
)

import pynetdicom_pause  # noqa: F401

port, own_port, authority, certificate, key, path, title, study = sys.argv[1:]


def context(version, own):
    made = ssl.create_default_context(cafile=authority)
    made.minimum_version = made.maximum_version = version
    if own:
        made.load_cert_chain(certificate, key)
    return made


def associate(version, own, got):
    def keep(event):
        got.append(event.dataset.SOPInstanceUID)
        return 0

    ae = AE(ae_title=title)
    ae.acse_timeout = ae.network_timeout = 10
    ae.add_requested_context(Verification)
    ae.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    ae.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
    ae.add_requested_context(CTImageStorage)
    ae.add_requested_context(StorageCommitmentPushModel)
    return ae.associate(
        "127.0.0.1",
        int(port),
        ae_title="YUNYING",
        ext_neg=[build_role(CTImageStorage, scu_role=True, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, keep)],
        tls_args=(context(version, own), "localhost"),
    )


def get(association):
    wanted = pydicom.Dataset()
    wanted.QueryRetrieveLevel = "STUDY"
    wanted.StudyInstanceUID = study
    *_, (status, _) = association.send_c_get(wanted, StudyRootQueryRetrieveInformationModelGet)
    assert status.Status == 0, status


def ask_for_commitment(association, instance):
    item = pydicom.Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, instance
    wanted = pydicom.Dataset()
    wanted.TransactionUID = generate_uid()
    wanted.ReferencedSOPSequence = [item]
    model, well_known = StorageCommitmentPushModel, StorageCommitmentPushModelInstance
    status, _ = association.send_n_action(wanted, 1, model, well_known)
    assert status.Status == 0, status


def called_back(instance):
    """Asks and leaves: the center calls back over TLS, and must show a certificate."""
    heard = queue.Queue()

    def on_report(event):
        heard.put((event.event_type, event.assoc.requestor.ae_title))
        return 0, None

    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
    own.verify_mode = ssl.CERT_REQUIRED
    own.load_cert_chain(certificate, key)
    ae = AE(ae_title=title)
    ae.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
    handlers = [(evt.EVT_N_EVENT_REPORT, on_report)]
    server = ae.start_server(("127.0.0.1", int(own_port)), block=False, evt_handlers=handlers, ssl_context=own)
    association = associate(ssl.TLSVersion.TLSv1_3, True, [])
    ask_for_commitment(association, instance)
    association.release()
    assert heard.get(timeout=60) == (1, "YUNYING")
    server.shutdown()
    print("commitment reported")


dataset = pydicom.dcmread(path)
for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
    name = version.name.replace("_", ".")
    got = []
    association = associate(version, True, got)
    assert association.is_established, f"{name}: no association"
    assert association.send_c_echo().Status == 0
    assert association.send_c_store(dataset).Status == 0
    get(association)
    association.release()
    assert association.is_released
    print(f"{name}: stored, got {len(set(got))}")
    association = associate(version, False, got)
    assert not association.is_established, f"{name}: an association without a certificate"
called_back(got[0])
