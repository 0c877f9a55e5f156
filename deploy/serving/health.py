"""Says by its exit code whether the gateway of this container lives; it may speak TLS.

What is asked is /healthz: a service that one person made wrong must not make the whole gateway
unhealthy. Load balancers ask /readyz.
"""

import http.client
import os
import ssl
import sys

port = int(os.environ.get("CT_SERVE_PORT") or 8080)
asked: http.client.HTTPConnection
if os.environ.get("CT_SERVE_TLS_CERT"):
    # The certificate is for the name by which clients call, not for this one.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    asked = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
else:
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
asked.request("GET", "/healthz")
sys.exit(asked.getresponse().status != http.HTTPStatus.OK)
