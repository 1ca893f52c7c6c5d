#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Passwords, keys and records never reach a log line or an error, whatever goes wrong.

usage: test_secrets.py KCL KCL_LOCAL [unittest options]
"""
import base64
import pathlib
import shutil
import signal
import sys
import tempfile
import unittest

import test_command as command
from test_command import Base, Consumer, Redis, run

SECRET_KEY, SESSION_TOKEN, PASSWORD = 'canarySecretKey', 'canarySessionToken', 'canaryPassword'
PAYLOAD, PARTITION_KEY = 'canaryPayload', 'canaryPartitionKey'
RECORDS = 40


def spellings(text):
    """A text, and its base64 at each of the three offsets within a longer one."""
    yield text.lower()
    for before in range(3):
        whole = base64.b64encode(b' ' * before + text.encode() + b' ' * 2).decode()
        yield whole[4 if before else 0:-4].lower()


HIDDEN = [spelling for text in (SECRET_KEY, SESSION_TOKEN, PASSWORD, PAYLOAD, PARTITION_KEY) for spelling in spellings(text)]
KEYS = {'AWS_ACCESS_KEY_ID': 'AKIDEXAMPLE', 'AWS_SECRET_ACCESS_KEY': SECRET_KEY, 'AWS_SESSION_TOKEN': SESSION_TOKEN,
        'KCL_LOG_LEVEL': 'debug'}


class Secrets(Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.locked = Redis('--requirepass', PASSWORD)
        cls.addClassCleanup(cls.locked.close)
        cls.locked_url = f'redis://:{PASSWORD}@127.0.0.1:{cls.locked.port}'
        cls.told('auth', access_key=KEYS['AWS_ACCESS_KEY_ID'], secret=SECRET_KEY, session_token=SESSION_TOKEN)

    @classmethod
    def told(cls, what, **members):
        answer = cls.kinesis.admin('POST', what, members)
        assert answer.status == 200, answer.body

    def setUp(self):
        self.addCleanup(self.kinesis.admin, 'DELETE', 'fault')

    def assert_hidden(self, text):
        for hidden in HIDDEN:
            self.assertNotIn(hidden, text.lower())

    def run_hidden(self, *words, code=None, **options):
        result = run(*words, **{'env': KEYS, **options})
        self.assert_hidden(result.err)
        self.assertNotEqual(result.err, '')
        if code is not None:
            self.assertEqual(result.code, code, result.err)
        return result

    def make(self, name):
        words = ('--endpoint', self.endpoint)
        self.assertEqual(run('stream', 'create', '--stream', name, '--shards', '1', *words, env=KEYS).code, 0)
        lines = ''.join(f'{PAYLOAD} {n}\n' for n in range(RECORDS))
        put = run('put', '--stream', name, '--key', PARTITION_KEY, *words, stdin=lines, env=KEYS)
        self.assertEqual(put.code, 0, put.err)
        self.assert_hidden(put.err)
        return name

    def read(self, name, app, faults=()):
        for fault in faults:
            self.told('fault', **fault)
        consumer = Consumer(self, *self.options(name, app, '--redis', self.locked_url), env=KEYS)
        lines = consumer.lines(RECORDS)
        consumer.process.send_signal(signal.SIGTERM)
        self.assertEqual(consumer.wait()[0], 0, consumer.log)
        self.assertEqual({line['key'] for line in lines}, {PARTITION_KEY})
        self.assertIn(' debug ', consumer.log)
        self.assert_hidden(consumer.log)
        return consumer.log

    def test_a_day_without_trouble(self):
        name = self.make(self.name())
        self.read(name, name)
        status = run('status', '--app', name, '--redis', self.locked_url, env=KEYS)
        self.assertEqual(status.code, 0, status.err)
        self.assert_hidden(status.out + status.err)

    def test_damaged_answers_are_not_shown(self):
        name = self.make(self.name())
        log = self.read(name, name, [{'operation': 'GetRecords', 'damage': kind} for kind in ('byte', 'string', 'type')] +
                        [{'operation': 'GetRecords', 'truncate': 400}])
        self.assertIn('GetRecords', log)

    def test_refused_puts_are_not_shown(self):
        name = self.make(self.name())
        self.told('fault', operation='PutRecords', times=100, type='InvalidArgumentException')
        self.run_hidden('put', '--stream', name, '--key', PARTITION_KEY, '--endpoint', self.endpoint,
                        stdin=f'{PAYLOAD}\n', code=1)

    def test_a_processor_whose_output_closes(self):
        name = self.make(self.name())
        consumer = Consumer(self, *self.options(name, name, '--redis', self.locked_url), env=KEYS)
        consumer.lines(1)
        consumer.process.stdout.close()
        run('put', '--stream', name, '--key', PARTITION_KEY, '--endpoint', self.endpoint, stdin=f'{PAYLOAD}\n', env=KEYS)
        self.assertEqual(consumer.process.wait(command.END_S), 4)
        consumer.reader.join()
        self.assert_hidden(consumer.log)

    def test_keys_that_the_service_refuses(self):
        for env in ({'AWS_SECRET_ACCESS_KEY': SECRET_KEY + 'x'}, {'AWS_SESSION_TOKEN': SESSION_TOKEN + 'x'}):
            self.run_hidden('consume', *self.options('any', 'any', '--memory'), env={**KEYS, **env}, code=1)

    def test_wrong_files_of_credentials(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'credentials'
            env = {'KCL_LOG_LEVEL': 'debug', 'AWS_SHARED_CREDENTIALS_FILE': str(path), 'AWS_ACCESS_KEY_ID': '',
                   'AWS_SECRET_ACCESS_KEY': '', 'AWS_CONFIG_FILE': '/nonexistent'}
            for text in (f'[default]\naws_secret_access_key = {SECRET_KEY}\n',
                         f'[default\naws_secret_access_key = {SECRET_KEY}\n',
                         f'[default]\naws_secret_access_key {SECRET_KEY}\n',
                         f'aws_secret_access_key = {SECRET_KEY}\n',
                         f'[default]\naws_access_key_id = A\naws_secret_access_key = {SECRET_KEY}\n'
                         f'aws_session_token = {SESSION_TOKEN * 50}\n'):
                path.write_text(text)
                result = self.run_hidden('consume', *self.options('any', 'any', '--memory'), env=env)
                self.assertNotEqual(result.code, 0)

    def test_options_that_hold_a_secret(self):
        for setting in (f'secret_key={SECRET_KEY}', f'session_token={SESSION_TOKEN}', f'secret_key={SECRET_KEY}\n',
                        f'secret_key={SECRET_KEY * 1000}'):
            self.run_hidden('consume', *self.options('any', 'any', '--memory', '--set', setting))

    def test_a_redis_that_is_wrong_or_away(self):
        port = self.locked.port
        for url in (f'redis://:{PASSWORD}x@127.0.0.1:{port}', f'redis://{PASSWORD}:{PASSWORD}@127.0.0.1:{port}',
                    f'redis://:{PASSWORD}@127.0.0.1:1', f'redis://:{PASSWORD}@127.0.0.1:{port}/x',
                    f'redis://:{PASSWORD}@127.0.0.1:99999', f'redis://:{PASSWORD}@', f'redis://:{PASSWORD}%zz@127.0.0.1',
                    f'http://:{PASSWORD}@127.0.0.1', f'redis://:{PASSWORD}@127.0.0.1/9999', f':{PASSWORD}@127.0.0.1'):
            for words in (('consume', *self.options('any', 'any', '--start-timeout', '100')), ('status', '--app', 'any'),
                          ('init', '--app', 'any')):
                self.assertNotEqual(self.run_hidden(*words, '--redis', url).code, 0)
            self.assertNotEqual(self.run_hidden('status', '--app', 'any', env={**KEYS, 'KCL_REDIS_URL': url}).code, 0)

    def test_an_endpoint_with_a_password(self):
        for endpoint in (f'http://user:{PASSWORD}@127.0.0.1:1', f'http://user:{PASSWORD}@127.0.0.1:1/path',
                         f'ftp://user:{PASSWORD}@127.0.0.1:1'):
            for words in (('consume', '--stream', 'any', '--app', 'any', '--memory', '--start-timeout', '100'),
                          ('stream', 'list')):
                self.assertNotEqual(self.run_hidden(*words, '--endpoint', endpoint).code, 0)

    def test_the_list_of_options_shows_no_values(self):
        result = run('config', env={**KEYS, 'KCL_REDIS_URL': self.locked_url})
        self.assertEqual(result.code, 0, result.err)
        self.assert_hidden(result.out + result.err)


if __name__ == '__main__':
    if shutil.which('redis-server') is None:
        print('skipped: redis-server is not installed')
        sys.exit(77)
    command.KCL, command.KCL_LOCAL = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
