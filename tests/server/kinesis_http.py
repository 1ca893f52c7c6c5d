# SPDX-License-Identifier: Apache-2.0
"""Starting a local Kinesis and talking to it over plain HTTP, with the standard library alone."""
import datetime
import hashlib
import hmac
import http.client
import json
import pathlib
import subprocess

TARGET = 'Kinesis_20131202.'
CONTENT_TYPE = 'application/x-amz-json-1.1'
SHAPE_ONLY = ('AWS4-HMAC-SHA256 Credential=ANYKEY/20260101/us-east-1/kinesis/aws4_request, '
              'SignedHeaders=host;x-amz-date, Signature=' + '0' * 64)


def sign(body, host, operation, key_id, secret, region='us-east-1', date=None, token=None, service='kinesis'):
    """Headers of a request signed with signature version 4."""
    date = date or datetime.datetime.now(datetime.timezone.utc).strftime('%Y%m%dT%H%M%SZ')
    headers = {'content-type': CONTENT_TYPE, 'host': host, 'x-amz-date': date, 'x-amz-target': TARGET + operation}
    if token:
        headers['x-amz-security-token'] = token
    names = ';'.join(sorted(headers))
    lines = ''.join(f'{name}:{headers[name]}\n' for name in sorted(headers))
    canonical = f'POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}'
    scope = f'{date[:8]}/{region}/{service}/aws4_request'
    text = f'AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}'
    key = b'AWS4' + secret.encode()
    for part in (date[:8], region, service, 'aws4_request'):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers['authorization'] = (f'AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={names}, '
                                f'Signature={signature}')
    return headers


class Answer:
    def __init__(self, response, body):
        self.status = response.status
        self.headers = response.headers
        self.body = body
        try:
            self.json = json.loads(body) if body else {}
        except ValueError:
            self.json = None

    @property
    def error(self):
        """Type of the error, '' on success."""
        if self.status == 200:
            return ''
        return (self.json or {}).get('__type', f'status {self.status}')


class Client:
    """One keep-alive connection to an endpoint."""

    def __init__(self, port):
        self.host = f'127.0.0.1:{port}'
        self.port = port
        self.connection = http.client.HTTPConnection('127.0.0.1', port, timeout=60)

    def send(self, method, path, body, headers):
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        return Answer(response, response.read())

    def call(self, operation, headers=None, **members):
        """An operation with members as its body; only the shape of a signature is sent."""
        if headers is None:
            headers = {'Content-Type': CONTENT_TYPE, 'X-Amz-Target': TARGET + operation,
                       'Authorization': SHAPE_ONLY, 'X-Amz-Date': '20260101T000000Z'}
        return self.send('POST', '/', json.dumps(members).encode(), headers)

    def ok(self, operation, **members):
        answer = self.call(operation, **members)
        if answer.status != 200:
            raise AssertionError(f'{operation} {members}: {answer.status} {answer.body[:500]!r}')
        return answer.json

    def admin(self, method, path, body=None):
        return self.send(method, '/_kcl/' + path, None if body is None else json.dumps(body).encode(), {})

    def freeze(self):
        """Stops the server's clock, so that no test depends on how fast it runs."""
        assert self.admin('POST', 'clock', {'frozen': True}).status == 200

    def advance(self, ms):
        """Moves the server's clock; returns its time in seconds."""
        answer = self.admin('POST', 'clock', {'advance_ms': ms})
        assert answer.status == 200, answer.body
        return answer.json['now']

    def close(self):
        self.connection.close()


class Local(Client):
    """A kcl-local of our own on a free port; a context manager that ends it with SIGTERM."""

    def __init__(self, binary, *options):
        self.process = subprocess.Popen([binary, '--port', '0', *options], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith('kcl-local listening on http://127.0.0.1:'):
            raise AssertionError(f'no ready line but {line!r}, exit {self.process.wait()}')
        super().__init__(int(line.rsplit(':', 1)[1]))

    def stop(self):
        """Exit status after SIGTERM."""
        self.close()
        self.process.terminate()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        status = self.stop()
        if exc[0] is None and status != 0:
            raise AssertionError(f'kcl-local ended with {status}')


EMULATOR_SCRIPT = pathlib.Path(__file__).resolve().parent.parent / 'support/emulator.sh'


def emulator_missing(folder):
    """0, or what a test exits with after it was said why the npm emulator cannot run here."""
    return subprocess.call([EMULATOR_SCRIPT, '--install', folder])


class Emulator(Client):
    """The npm emulator of a folder on a free port; a context manager that ends it. `settings`: NAME=VALUE."""

    def __init__(self, folder, *settings):
        # setpriv: it ends with this process, however that ends.
        self.process = subprocess.Popen(['setpriv', '--pdeathsig', 'KILL', '--', EMULATOR_SCRIPT, folder, *settings],
                                        stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if ' http://' in line:
                super().__init__(int(line.rsplit(':', 1)[1]))
                return
        raise SystemExit(f'the emulator did not start (exit {self.process.wait()})')

    def send(self, method, path, body, headers):
        """The emulator closes the connection behind some of its errors."""
        try:
            return super().send(method, path, body, headers)
        except (ConnectionError, http.client.HTTPException):
            self.close()
            return super().send(method, path, body, headers)

    def stop(self):
        self.close()
        self.process.kill()  # it is slow to end on SIGTERM
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
