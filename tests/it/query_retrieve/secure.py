"""An SCU over TLS: port, authority, certificate, key, a file, its title and a study are the arguments."""

import ssl
import sys

import pydicom
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import CTImageStorage, StudyRootQueryRetrieveInformationModelGet, Verification

port, authority, certificate, key, path, title, study = sys.argv[1:]


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
