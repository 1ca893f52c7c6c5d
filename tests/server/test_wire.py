#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How kcl-local speaks: HTTP, signatures, log and options.

usage: test_wire.py KCL_LOCAL [unittest options]
"""
import base64
import datetime
import json
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from kinesis_http import CONTENT_TYPE, SHAPE_ONLY, TARGET, Local, sign
from server_case import BINARY, Server, request_bytes

VECTORS = pathlib.Path(__file__).resolve().parents[3] / 'shared/reference/vectors/sigv4-kinesis.json'
KEY, SECRET = 'AKIDEXAMPLE', 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'


class Case(Server):
    options = ('--create-ms', '0', '--no-limits', '--streams', 'demo:2')


class Http(Case):
    def test_headers_of_an_answer(self):
        answer = self.s.call('ListStreams')
        self.assertRegex(answer.headers['x-amzn-RequestId'], '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')
        self.assertEqual(answer.headers['Content-Type'], CONTENT_TYPE)
        sent = datetime.datetime.strptime(answer.headers['Date'], '%a, %d %b %Y %H:%M:%S GMT')
        self.assertLess(abs((sent - datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None))
                            .total_seconds()), 60)
        again = self.s.call('ListStreams')
        self.assertNotEqual(again.headers['x-amzn-RequestId'], answer.headers['x-amzn-RequestId'])

    def test_errors_have_type_in_body_and_header(self):
        answer = self.s.call('DescribeStreamSummary', StreamName='missing')
        self.assertEqual((answer.status, answer.json['__type'], answer.headers['x-amzn-ErrorType']),
                         (400, 'ResourceNotFoundException', 'ResourceNotFoundException'))
        self.assertIn('missing', answer.json['message'])

    def test_what_is_no_call(self):
        self.assertEqual(self.s.call('NoSuchOperation').error, 'UnknownOperationException')
        headers = {'Content-Type': CONTENT_TYPE, 'X-Amz-Target': TARGET + 'ListStreams', 'Authorization': SHAPE_ONLY}
        self.assertEqual(self.s.send('POST', '/', b'{}', headers).status, 200)
        for body in (b'', b'{bad', b'[]', b'7', b'{} x', b'{"Limit":1}{}', b'"\\u0000"'):
            answer = self.s.send('POST', '/', body, headers)
            self.assertEqual((answer.status, answer.error), (400, 'SerializationException'), body)
        self.assertEqual(self.s.send('GET', '/', None, headers).status, 404)
        self.assertEqual(self.s.send('POST', '/', b'{}', {**headers, 'Content-Type': 'text/plain'}).status, 404)
        self.assertEqual(self.s.send('POST', '/', b'{}', {**headers, 'X-Amz-Target': 'Other.ListStreams'}).status, 404)

    def test_keys_that_are_not_utf8(self):
        headers = {'Content-Type': CONTENT_TYPE, 'X-Amz-Target': TARGET + 'PutRecord', 'Authorization': SHAPE_ONLY}
        for key in (b'\xff', b'\xc3', b'\xc1\x81', b'\xe0\x80\x80', b'\xed\xa0\x80', b'\xf4\x90\x80\x80', b'\\ud800'):
            body = b'{"StreamName":"demo","Data":"","PartitionKey":"' + key + b'"}'
            self.assertEqual(self.s.send('POST', '/', body, headers).error, 'SerializationException', key)

    def test_null_means_absent_and_unknown_members_are_ignored(self):
        self.s.ok('ListShards', StreamName='demo', StreamARN=None, NextToken=None, ShardFilter=None, Later={'x': 1})

    def test_pipelined_requests_are_answered_in_order(self):
        plain = self.connect()
        plain.sendall(b''.join(request_bytes('PutRecord', json.dumps(
            {'StreamName': 'demo', 'Data': '', 'PartitionKey': 'k', 'ExplicitHashKey': '0'}).encode())
            for _ in range(20)))
        got = self.receive(plain, 20)
        self.assertEqual({status for status, _ in got}, {200})
        numbers = [int(json.loads(body)['SequenceNumber']) for _, body in got]
        self.assertEqual(numbers, sorted(numbers))

    def test_a_request_in_single_bytes(self):
        plain = self.connect()
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request_bytes('ListStreams'):
            plain.sendall(bytes([byte]))
        [(status, body)] = self.receive(plain, 1)
        self.assertEqual((status, json.loads(body)['StreamNames']), (200, ['demo']))

    def test_a_client_that_closes_its_side_is_answered(self):
        plain = self.connect()
        plain.sendall(request_bytes('ListStreams'))
        plain.shutdown(socket.SHUT_WR)
        self.assertEqual(self.receive(plain, 1)[0][0], 200)
        self.assertEqual(plain.recv(1), b'')

    def test_connection_close_and_expect(self):
        plain = self.connect()
        plain.sendall(request_bytes('ListStreams', extra='Expect: 100-continue\r\nConnection: close\r\n'))
        got = b''
        while chunk := plain.recv(65536):
            got += chunk
        self.assertTrue(got.startswith(b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n'), got[:60])
        self.assertIn(b'Connection: close\r\n', got)

    def test_chunked_bodies(self):
        plain = self.connect()
        head = request_bytes('ListStreams', b'').replace(b'Content-Length: 0', b'Transfer-Encoding: chunked')
        plain.sendall(head + b'1\r\n{\r\n1\r\n}\r\n0\r\n\r\n')
        self.assertEqual(self.receive(plain, 1)[0][0], 200)

    def test_nonsense_and_too_much(self):
        plain = self.connect()
        plain.sendall(b'nonsense\r\n\r\n')
        self.assertEqual(self.receive(plain, 1)[0][0], 400)
        self.assertEqual(plain.recv(1), b'')
        plain = self.connect()
        plain.sendall(request_bytes('PutRecords', b' ' * (17 * 1024 * 1024)))
        self.assertEqual(self.receive(plain, 1)[0][0], 413)

    def test_it_listens_on_loopback_only(self):
        listening = [line.split() for line in pathlib.Path('/proc/net/tcp').read_text().splitlines()[1:]]
        mine = [x[1] for x in listening if x[3] == '0A' and x[1].endswith(f':{self.s.port:04X}')]
        self.assertEqual(mine, [f'0100007F:{self.s.port:04X}'])


class Signatures(unittest.TestCase):
    options = ('--create-ms', '0', '--streams', 'demo:1', '--access-key', KEY, '--secret', SECRET, '--no-limits')

    def ask(self, s, operation='ListStreams', body=b'{}', change=None, **how):
        headers = sign(body, s.host, operation, **{'key_id': KEY, 'secret': SECRET, **how})
        headers.update(change or {})
        return s.send('POST', '/', body, {k: v for k, v in headers.items() if v is not None})

    def test_presence_and_shape_without_keys(self):
        with Local(BINARY) as s:
            base = {'Content-Type': CONTENT_TYPE, 'X-Amz-Target': TARGET + 'ListStreams'}
            self.assertEqual(s.send('POST', '/', b'{}', base).error, 'MissingAuthenticationTokenException')
            for bad in ('Basic abc', 'AWS4-HMAC-SHA256 Credential=a', SHAPE_ONLY.replace('Signature=', 'Sig='),
                        SHAPE_ONLY.replace('/aws4_request', ''), SHAPE_ONLY.replace('SignedHeaders=host', 'x=y')):
                answer = s.send('POST', '/', b'{}', {**base, 'Authorization': bad})
                self.assertEqual(answer.error, 'IncompleteSignatureException', bad)
            self.assertEqual(s.send('POST', '/', b'{}', {**base, 'Authorization': SHAPE_ONLY}).status, 200)

    def test_verified_with_keys(self):
        def ago(seconds):
            at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)
            return at.strftime('%Y%m%dT%H%M%SZ')
        with Local(BINARY, *self.options) as s:
            self.assertEqual(self.ask(s).status, 200)
            put = json.dumps({'StreamName': 'demo', 'Data': '', 'PartitionKey': 'a\0\u00e9'}).encode()
            self.assertEqual(self.ask(s, 'PutRecord', put).status, 200, 'an escape for NUL')
            self.assertEqual(self.ask(s, change={'content-type': CONTENT_TYPE + ' '}).status, 200, 'trimmed')
            wrong = 'InvalidSignatureException'
            cases = [
                ({'secret': 'other'}, wrong), ({'key_id': 'OTHER'}, 'UnrecognizedClientException'),
                ({'token': 'unexpected'}, 'UnrecognizedClientException'),
                ({'region': 'eu-west-1'}, wrong), ({'service': 'sts'}, wrong),
                ({'date': ago(16 * 60)}, wrong), ({'date': ago(-16 * 60)}, wrong),
                ({'change': {'x-amz-target': TARGET + 'CreateStream'}}, wrong),
                ({'change': {'host': 'elsewhere'}}, wrong),
                ({'change': {'x-amz-added': 'unsigned'}}, wrong),
                ({'change': {'x-amz-date': None}}, 'IncompleteSignatureException'),
                ({'change': {'x-amz-date': '20260101T000000Z'}}, 'IncompleteSignatureException'),
                ({'change': {'authorization': None}}, 'MissingAuthenticationTokenException'),
            ]
            for how, error in cases:
                answer = self.ask(s, **how)
                self.assertEqual((answer.status, answer.error), (400, error), how)
            for age in (14 * 60, -14 * 60):
                self.assertEqual(self.ask(s, date=ago(age)).status, 200, age)
            self.assertIn('Signature expired', self.ask(s, date=ago(16 * 60)).json['message'])
            self.assertIn('not yet current', self.ask(s, date=ago(-16 * 60)).json['message'])
            s.advance(20 * 60 * 1000)
            answer = self.ask(s)
            self.assertEqual(answer.error, wrong)
            sent = datetime.datetime.strptime(answer.headers['Date'], '%a, %d %b %Y %H:%M:%S GMT')
            self.assertEqual(self.ask(s, date=sent.strftime('%Y%m%dT%H%M%SZ')).status, 200, 'corrected by Date')

    def test_session_token(self):
        with Local(BINARY, *self.options, '--session-token', 'T/+=') as s:
            self.assertEqual(self.ask(s, token='T/+=').status, 200)
            for token in (None, 'other'):
                self.assertEqual(self.ask(s, token=token).error, 'UnrecognizedClientException')

    def change(self, s, **auth):
        answer = s.admin('POST', 'auth', auth)
        self.assertEqual((answer.status, answer.body), (200, b'{}'))

    def test_credentials_rotated_mid_run(self):
        with Local(BINARY, *self.options) as s:
            self.assertEqual(self.ask(s).status, 200)
            self.change(s, access_key='ASIANEW', secret='two', session_token='token 2')
            new = {'key_id': 'ASIANEW', 'secret': 'two', 'token': 'token 2'}
            self.assertEqual(self.ask(s).error, 'ExpiredTokenException')
            self.assertEqual(self.ask(s, **new).status, 200)
            self.assertEqual(self.ask(s, **{**new, 'token': 'token 3'}).error, 'UnrecognizedClientException')
            self.assertEqual(self.ask(s, **{**new, 'secret': 'one'}).error, 'InvalidSignatureException')
            self.change(s, access_key='ASIANEW', secret='two', session_token='token 3')
            self.assertEqual(self.ask(s, **new).error, 'ExpiredTokenException', 'the same key with its old token')
            self.assertEqual(self.ask(s).error, 'ExpiredTokenException')
            self.assertEqual(self.ask(s, **{**new, 'token': 'token 3'}).status, 200)
            self.assertEqual(self.ask(s, key_id='OTHER').error, 'UnrecognizedClientException')
            self.change(s, access_key=KEY, secret=SECRET)
            self.assertEqual(self.ask(s).status, 200, 'what comes back is good again')
            for i in range(20):
                self.change(s, access_key=f'KEY{i}', secret='s')
            self.assertEqual(self.ask(s, key_id='KEY18', secret='s').error, 'ExpiredTokenException')
            self.assertEqual(self.ask(s, key_id='KEY19', secret='s').status, 200)
            for bad in ({'access_key': 'A'}, {'secret': 'A'}, {'session_token': 'A'}, {'skew_ms': 'A'}, {'unknown': 1}):
                self.assertEqual(s.admin('POST', 'auth', bad).status, 400, bad)

    def test_signatures_asked_for_from_now_on(self):
        with Local(BINARY, '--streams', 'demo:1') as s:
            s.ok('ListStreams')
            self.change(s, access_key=KEY, secret=SECRET)
            self.assertEqual(s.call('ListStreams').error, 'UnrecognizedClientException')
            self.assertEqual(self.ask(s).status, 200)

    def test_a_server_whose_clock_is_wrong(self):
        def date_of(answer):
            return datetime.datetime.strptime(answer.headers['Date'], '%a, %d %b %Y %H:%M:%S GMT')
        with Local(BINARY, *self.options) as s:
            s.freeze()
            frozen = s.advance(0)
            now = datetime.datetime.fromtimestamp(int(frozen), datetime.timezone.utc).replace(tzinfo=None)
            for minutes, text in ((20, 'Signature expired'), (-20, 'Signature not yet current')):
                self.change(s, skew_ms=minutes * 60000)
                answer = self.ask(s)
                self.assertEqual(answer.error, 'InvalidSignatureException')
                self.assertIn(text, answer.json['message'])
                self.assertEqual((date_of(answer) - now).total_seconds(), minutes * 60)
                right = self.ask(s, date=date_of(answer).strftime('%Y%m%dT%H%M%SZ'))
                self.assertEqual(right.status, 200, 'corrected by Date')
                self.assertEqual(s.advance(0), frozen, 'the records know nothing of it')
            self.change(s, skew_ms=0)
            for date in ('nonsense', 'Thu, 01 Jan 1970 00:00:00 GMT'):
                self.change(s, date=date)
                answer = self.ask(s)
                self.assertEqual((answer.status, answer.headers['Date']), (200, date))
            self.change(s, date='')
            self.assertEqual(self.ask(s).headers['Date'], None)
            self.change(s, date=None)
            self.assertEqual(date_of(self.ask(s)), now)

    @unittest.skipUnless(VECTORS.exists(), f'no {VECTORS}')
    def test_vectors(self):
        vectors = json.loads(VECTORS.read_text())
        at = datetime.datetime.strptime(vectors['amz_date'], '%Y%m%dT%H%M%SZ').replace(tzinfo=datetime.timezone.utc)
        tried = 0
        for case in vectors['cases']:
            if case['service'] != 'kinesis':
                continue
            more = ('--session-token', case['token']) if case['token'] else ()
            with Local(BINARY, '--access-key', vectors['access_key_id'], '--secret', vectors['secret_access_key'],
                       '--region', case['region'], *more) as s:
                s.advance(int((at.timestamp() - time.time()) * 1000))
                headers = {**case['headers'], 'Host': case['host'], 'X-Amz-Date': vectors['amz_date'],
                           'Authorization': case['authorization']}
                body = base64.b64decode(case['body_b64'])
                for secret_right in (True, False):
                    if not secret_right:
                        last = headers['Authorization'][-1]
                        headers['Authorization'] = headers['Authorization'][:-1] + ('0' if last != '0' else '1')
                    error = s.send('POST', '/', body, headers).error
                    self.assertEqual('Signature' in error or 'Unrecognized' in error, not secret_right,
                                     f'{case["name"]}: {error}')
                tried += 1
        self.assertGreater(tried, 5)


class Journal(Case):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.log = pathlib.Path(folder.name) / 'log.jsonl'
        self.options = Case.options + ('--log', str(self.log))
        super().setUp()

    def test_log_and_counters(self):
        self.s.ok('PutRecords', StreamName='demo', Records=[
            {'Data': '', 'PartitionKey': 'k', 'ExplicitHashKey': '0'}] * 3)
        iterator = self.s.ok('GetShardIterator', StreamName='demo', ShardId='shardId-000000000000',
                             ShardIteratorType='TRIM_HORIZON')['ShardIterator']
        answer = self.s.call('GetRecords', ShardIterator=iterator)
        self.s.call('GetRecords', ShardIterator='bad"')
        self.s.call('Not"Known')
        self.s.admin('POST', 'fault', {'operation': 'ListStreams', 'status': 500})
        self.s.call('ListStreams')
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        self.assertEqual([(x.get('operation'), x['status'], x.get('error'), x['records']) for x in lines], [
            ('PutRecords', 200, None, 3), ('GetShardIterator', 200, None, 0), ('GetRecords', 200, None, 3),
            ('GetRecords', 400, 'InvalidArgumentException', 0), ('Not"Known', 400, 'UnknownOperationException', 0),
            ('ListStreams', 500, None, 0)])
        read = lines[2]
        self.assertEqual((read['stream'], read['shard'], read['bytes_out']),
                         ('demo', 'shardId-000000000000', len(answer.body)))
        self.assertTrue(lines[5]['fault'])
        self.assertEqual((read['members'], lines[0]['members']), (['ShardIterator'], ['StreamName', 'Records']))
        self.assertNotIn('expect', read)
        self.connect().sendall(request_bytes('ListStreams', b'{"StreamARN":"x:stream/y"}', 'Expect: 100-continue\r\n'))
        while len(lines := self.log.read_text().splitlines()) < 7:
            pass
        last = json.loads(lines[6])
        self.assertEqual((last['members'], last['expect'], last['stream']), (['StreamARN'], True, 'y'))
        counts = self.s.admin('GET', 'stats').json['operations']
        self.assertEqual((counts['GetRecords']['requests'], counts['GetRecords']['errors'],
                          counts['GetRecords']['records']), (2, 1, 3))
        self.assertEqual((counts['ListStreams']['faults'], counts['other']['requests']), (1, 1))
        self.assertEqual(self.s.admin('GET', 'health').json, {'status': 'ok'})
        self.assertEqual(self.s.admin('GET', 'nothing').status, 404)


class Program(unittest.TestCase):
    def run_it(self, *options):
        done = subprocess.run([BINARY, *options], capture_output=True, text=True, timeout=30)
        return done.returncode, done.stdout, done.stderr

    def test_bad_options_end_with_one_line(self):
        for options in (('--nonsense',), ('--port',), ('--port', 'x'), ('--port', '65536'), ('--access-key', 'a')):
            status, out, err = self.run_it(*options)
            self.assertEqual((status, out, err.count('\n')), (2, '', 1), (options, err))
        for options in (('--streams', 'demo'), ('--streams', 'a:0'), ('--streams', 'a:1,a:1'), ('--log', '/no/such/x')):
            status, out, err = self.run_it('--port', '0', *options)
            self.assertEqual((status, out, err.count('\n')), (1, '', 1), (options, err))

    def test_help(self):
        status, out, err = self.run_it('--help')
        self.assertEqual((status, err), (0, ''))
        self.assertIn('--streams NAME:SHARDS', out)

    def test_a_taken_port(self):
        with Local(BINARY) as s:
            status, out, err = self.run_it('--port', str(s.port))
            self.assertEqual((status, out), (1, ''))
            self.assertIn('Address already in use', err)

    def test_interrupt_ends_it_well(self):
        s = Local(BINARY, '--streams', 'a:1,b-_.2:3')
        self.assertEqual(s.ok('ListStreams')['StreamNames'], ['a', 'b-_.2'])
        s.close()
        s.process.send_signal(signal.SIGINT)
        self.assertEqual(s.process.wait(30), 0)
        s.process.stdout.close()

    def test_life_of_iterators_and_tokens_is_an_option(self):
        with Local(BINARY, '--streams', 'a:2', '--iterator-life-ms', '1000', '--token-life-ms', '2000') as s:
            s.freeze()
            iterator = s.ok('GetShardIterator', StreamName='a', ShardId='shardId-000000000000',
                            ShardIteratorType='LATEST')['ShardIterator']
            token = s.ok('ListShards', StreamName='a', MaxResults=1)['NextToken']
            s.advance(1001)
            self.assertEqual(s.call('GetRecords', ShardIterator=iterator).error, 'ExpiredIteratorException')
            s.ok('ListShards', NextToken=token)
            s.advance(1000)
            self.assertEqual(s.call('ListShards', NextToken=token).error, 'ExpiredNextTokenException')

    def test_limits_are_options(self):
        with Local(BINARY, '--streams', 'a:1', '--read-tps', '2', '--write-records', '3') as s:
            s.freeze()
            iterator = s.ok('GetShardIterator', StreamName='a', ShardId='shardId-000000000000',
                            ShardIteratorType='LATEST')['ShardIterator']
            errors = [s.call('GetRecords', ShardIterator=iterator).error for _ in range(3)]
            self.assertEqual(errors, ['', '', 'ProvisionedThroughputExceededException'])
            errors = [s.call('PutRecord', StreamName='a', Data='', PartitionKey='k').error for _ in range(4)]
            self.assertEqual(errors, ['', '', '', 'ProvisionedThroughputExceededException'])


if __name__ == '__main__':
    unittest.main(verbosity=1)
