# A stand-in for a push service, and a browser's side of a subscription: keys from `cryptography`, opened by `http-ece`.
import base64, http.server, json, os, threading

import http_ece
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


def settings(listen, key_file):
    return f'''
[server]
listen = "{listen}"
[outward]
allow = ["127.0.0.1"]
plain_http = ["127.0.0.1"]
[messages.push]
send = "web_push"
key_file = {json.dumps(key_file)}
subject = "mailto:hello@tea.example"
'''


def b64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b'=').decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


heard = []
answers = {}


class PushService(http.server.BaseHTTPRequestHandler):
    """Takes what comes, unless another answer was told for the path."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        heard.append((self.path, dict((name.lower(), value) for name, value in self.headers.items()), body))
        self.send_response(answers.get(self.path, 201))
        self.send_header('content-length', '0')
        self.end_headers()

    def log_message(self, *args):
        pass


service = http.server.ThreadingHTTPServer(('127.0.0.1', 0), PushService)
threading.Thread(target=service.serve_forever, daemon=True).start()
origin = f'http://127.0.0.1:{service.server_port}'


class Browser:
    def __init__(self, path):
        self.path, self.private, self.secret = path, ec.generate_private_key(ec.SECP256R1()), os.urandom(16)

    def subscription(self):
        point = self.private.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        return {'endpoint': origin + self.path, 'expirationTime': None, 'keys': {'p256dh': b64(point), 'auth': b64(self.secret)}}

    def opens(self, body):
        return json.loads(http_ece.decrypt(body, private_key=self.private, auth_secret=self.secret, version='aes128gcm'))

    def heard(self):
        return [(headers, body) for path, headers, body in heard if path == self.path]
