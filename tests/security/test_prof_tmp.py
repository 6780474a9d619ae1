import time, resource
from tests.security.test_paths import *
def test_prof(hosted_page, canary):
    v = hosted_page.visitor()
    fs = fields(v)
    names = names_for(canary)
    for f, call in fs.items():
        t=time.monotonic(); c=time.process_time()
        for n in names[:2]: call(n)
        print(f"{f:30s} wall {(time.monotonic()-t)/2:.2f} cpu {(time.process_time()-c)/2:.3f}")
