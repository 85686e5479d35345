from pathlib import Path
from tests.support.cluster_processes import ClusterProcesses
from tests.integration.cluster.load import Load
from tests.integration.cluster.faults import Faults
def test_it(tmp_path: Path) -> None:
    c = ClusterProcesses(tmp_path, ["listener.tcp.external.max_mqueue_len=300"], size=1)
    c[1].arguments=[]
    c.leader = lambda *a, **k: c[1]
    try:
        c.start()
        with Load(c, 5) as load:
            f=Faults(load)
            for k in ("stands_still",):
                load.wait_for(200)
                load.fault(k)
                f.rng.random = lambda: 0.9
                getattr(f,k)()
            load.finish()
            print(load.ledger.report())
    finally:
        c.close()
