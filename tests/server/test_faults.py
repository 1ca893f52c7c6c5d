#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Faults by script: which requests a rule hits, and what it does to their answers.

usage: test_faults.py KCL_LOCAL [unittest options]
"""
import base64
import http.client
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from kinesis_http import Local
from server_case import BINARY, Case, request_bytes, shard_id

THROTTLED, LIMITED = 'ProvisionedThroughputExceededException', 'LimitExceededException'
PUT = {'StreamName': 's', 'Data': 'eA==', 'PartitionKey': 'k', 'ExplicitHashKey': '0'}


class Faults(Case):
    options = Case.options + ('--streams', 's:2,t:1')

    def errors(self, times, operation='ListStreams', **members):
        return [self.s.call(operation, **members).error for _ in range(times)]

    def count(self):
        return len(self.read()['Records'])


class Matching(Faults):
    def test_some_requests_of_one_operation(self):
        self.fault(operation='ListStreams', skip=1, times=2, type='LimitExceededException', message='slow down')
        self.fault(operation='ListStreams', status=500, body='<html>oops</html>')
        got = []
        for _ in range(5):
            answer = self.s.call('ListStreams')
            got.append((answer.status, answer.error if answer.json else answer.body))
        self.assertEqual(got, [(500, b'<html>oops</html>'), (400, LIMITED), (400, LIMITED), (200, ''), (200, '')])
        self.fault(status=503)
        answer = self.s.call('PutRecord', **PUT)
        self.assertEqual((answer.status, answer.body), (503, b''))
        self.assertEqual(self.count(), 0, 'a refused call does nothing')

    def test_several_operations(self):
        self.fault(operation='ListShards,DescribeStreamSummary', times=9, type='A')
        self.assertEqual(self.errors(1, 'ListShards', StreamName='s'), ['A'])
        self.assertEqual(self.errors(1, 'DescribeStreamSummary', StreamName='s'), ['A'])
        self.assertEqual(self.errors(1, 'DescribeStream', StreamName='s'), [''])
        self.assertEqual(self.errors(1, 'ListStreams'), [''])

    def test_one_stream_however_it_is_named(self):
        iterators = {name: self.iterator(stream=name) for name in 'st'}
        token = self.s.ok('ListShards', StreamName='s', MaxResults=1)['NextToken']
        self.fault(stream='s', times=9, type='A')
        arn = 'arn:aws:kinesis:us-east-1:000000000000:stream/'
        for operation, members in (('ListShards', {'StreamName': 's'}), ('ListShards', {'StreamARN': arn + 's'}),
                                   ('ListShards', {'NextToken': token}), ('PutRecord', PUT),
                                   ('GetRecords', {'ShardIterator': iterators['s']})):
            self.assertEqual(self.errors(1, operation, **members), ['A'], members)
        for operation, members in (('ListShards', {'StreamName': 't'}), ('ListShards', {'StreamARN': arn + 't'}),
                                   ('GetRecords', {'ShardIterator': iterators['t']}), ('ListStreams', {})):
            self.assertEqual(self.errors(1, operation, **members), [''], members)

    def test_one_shard(self):
        iterators = [self.iterator(i) for i in range(2)]
        self.fault(shard=shard_id(1), times=9, type='A')
        self.assertEqual([self.errors(1, 'GetRecords', ShardIterator=x) for x in iterators], [[''], ['A']])
        ask = {'StreamName': 's', 'ShardIteratorType': 'LATEST'}
        self.assertEqual([self.errors(1, 'GetShardIterator', ShardId=shard_id(i), **ask) for i in range(2)],
                         [[''], ['A']])
        self.assertEqual(self.errors(1, 'SplitShard', StreamName='s', ShardToSplit=shard_id(1),
                                     NewStartingHashKey='9'), ['A'])

    def test_a_seed_gives_the_same_faults_again(self):
        def run(seed, odds):
            self.fault(operation='ListStreams', times=1000, probability=odds, seed=seed, type='A')
            got = self.errors(200)
            self.s.admin('DELETE', 'fault')
            return got
        first = run(1, 0.3)
        self.assertEqual(run(1, 0.3), first)
        self.assertNotEqual(run(2, 0.3), first)
        self.assertTrue(30 < first.count('A') < 90, first.count('A'))
        self.assertEqual(set(run(1, 0)), {''})
        self.assertEqual(set(run(1, 1)), {'A'})

    def test_what_the_dice_let_pass_meets_the_next_rule(self):
        self.fault(operation='ListStreams', times=1000, probability=0.5, type='A')
        self.fault(operation='ListStreams', times=1000, type='B')
        self.assertEqual(set(self.errors(50)), {'A', 'B'})

    def test_a_storm_lasts_from_its_first_hit(self):
        self.fault(for_ms=3000, throttle=True, skip=1)
        iterator = self.iterator()
        self.s.advance(60000)
        self.assertEqual(self.errors(2), [LIMITED, LIMITED])
        self.assertEqual(self.errors(1, 'GetRecords', ShardIterator=iterator), [THROTTLED])
        self.assertEqual(self.errors(1, 'PutRecord', **PUT), [THROTTLED])
        self.assertEqual(self.errors(1, 'ListShards', StreamName='s'), [LIMITED])
        self.s.advance(2999)
        self.assertEqual(self.errors(1), [LIMITED])
        self.s.advance(1)
        self.assertEqual(self.errors(1), [''])
        self.assertEqual(self.s.admin('GET', 'fault').json, [])

    def test_a_rule_may_begin_later(self):
        self.fault(after_ms=5000, type='A', times=9)
        self.assertEqual(self.errors(1), [''])
        self.s.advance(5000)
        self.assertEqual(self.errors(1), ['A'])

    def test_rules_are_listed_forgotten_and_checked(self):
        self.fault(rules=[{'operation': 'A', 'times': 3, 'status': 500}, {'skip': 2, 'reset': True},
                          {'for_ms': 9, 'after_ms': 9, 'type': 'B'}])
        self.s.call('ListStreams')
        self.assertEqual(self.s.admin('GET', 'fault').json, [
            {'operation': 'A', 'skip': 0, 'times': 3, 'status': 500}, {'skip': 1, 'times': 1, 'reset': True},
            {'for_ms': 9, 'after_ms': 9, 'type': 'B', 'skip': 0}])
        self.assertEqual(self.s.admin('DELETE', 'fault').status, 200)
        self.assertEqual(self.s.admin('GET', 'fault').json, [])
        for bad in ({'times': 0}, {'status': 7}, {'operation': 1}, {'tims': 3}, {'damage': 'x'}, {'close': 'x'},
                    {'probability': 1.5}, {'probability': 'x'}, {'stall': 1}, {'remove': [1]}, {'set': []},
                    {'rules': [7]}, {'drip_bytes': 0}):
            self.assertEqual(self.s.admin('POST', 'fault', bad).status, 400, bad)
        self.assertEqual(self.s.admin('GET', 'fault').json, [])


class Answers(Faults):
    """Every error a consumer may meet, and answers that are none."""

    def test_errors_by_name(self):
        iterator = self.iterator()
        for error in ('KMSThrottlingException', 'KMSDisabledException', 'KMSInvalidStateException',
                      'KMSAccessDeniedException', 'KMSNotFoundException', 'KMSOptInRequired',
                      'ExpiredIteratorException', 'InvalidArgumentException', 'AccessDeniedException',
                      'ResourceNotFoundException', THROTTLED, 'ThrottlingException', 'RequestExpired'):
            self.fault(operation='GetRecords', type=error, message='text')
            answer = self.s.call('GetRecords', ShardIterator=iterator)
            self.assertEqual((answer.status, answer.json, answer.headers['x-amzn-ErrorType']),
                             (400, {'__type': error, 'message': 'text'}, error))
        for status, error in ((500, 'InternalFailure'), (503, 'ServiceUnavailable')):
            self.fault(operation='GetRecords', type=error, status=status, times=3)
            answers = [self.s.call('GetRecords', ShardIterator=iterator) for _ in range(4)]
            self.assertEqual([x.status for x in answers], [status] * 3 + [200])
            self.assertEqual(answers[0].json['__type'], error)

    def test_an_error_in_another_shape(self):
        self.fault(status=400, body='{"__type":"com.amazonaws.kinesis.v20131202#ExpiredIteratorException:x","Message":"m"}')
        answer = self.s.call('ListStreams')
        self.assertEqual((answer.status, answer.json['Message'], answer.headers['x-amzn-ErrorType']), (400, 'm', None))

    def test_empty_and_html_bodies(self):
        self.fault(body='')
        answer = self.s.call('ListStreams')
        self.assertEqual((answer.status, answer.body, answer.headers['Content-Length']), (200, b'', '0'))
        self.fault(status=502, body='<html><body>Bad Gateway</body></html>', content_type='text/html')
        answer = self.s.call('ListStreams')
        self.assertEqual((answer.status, answer.headers['Content-Type'], answer.body[:6]), (502, 'text/html', b'<html>'))
        self.fault(body='<html></html>', content_type='text/html', execute=True)
        answer = self.s.call('PutRecord', **PUT)
        self.assertEqual((answer.status, answer.body, self.count()), (200, b'<html></html>', 1))

    def test_members_set_and_removed(self):
        self.put(key='\0"\\}],{', ExplicitHashKey='0')
        truth = self.s.call('GetRecords', ShardIterator=self.iterator())
        self.fault(operation='GetRecords', set={'MillisBehindLatest': 86400000, 'Later': [{'x': None}]})
        answer = self.s.call('GetRecords', ShardIterator=self.iterator()).json
        self.assertEqual((answer['MillisBehindLatest'], answer['Later']), (86400000, [{'x': None}]))
        self.assertEqual(answer['Records'], truth.json['Records'])
        self.fault(operation='GetRecords', set={'NextShardIterator': None})
        answer = self.s.call('GetRecords', ShardIterator=self.iterator())
        self.assertEqual(list(answer.json), ['Records', 'MillisBehindLatest', 'NextShardIterator'])
        self.assertIsNone(answer.json['NextShardIterator'])
        self.fault(operation='GetRecords', remove=['NextShardIterator', 'Records', 'None'])
        self.assertEqual(self.s.call('GetRecords', ShardIterator=self.iterator()).json, {'MillisBehindLatest': 0})
        self.fault(operation='GetRecords', remove=['NextShardIterator', 'Records', 'MillisBehindLatest'])
        self.assertEqual(self.s.call('GetRecords', ShardIterator=self.iterator()).body, b'{}')
        self.fault(operation='ListShards', set={'Shards': []})
        self.assertEqual(self.s.ok('ListShards', StreamName='s'), {'Shards': []})

    def test_damaged_json(self):
        self.put(b'some data', ExplicitHashKey='0')
        body = self.s.call('GetRecords', ShardIterator=self.iterator()).body
        for damage in ('byte', 'string', 'type'):
            iterator = self.iterator()
            self.fault(operation='GetRecords', damage=damage)
            answer = self.s.call('GetRecords', ShardIterator=iterator)
            self.assertEqual((answer.status, answer.headers['Content-Length']), (200, str(len(answer.body))))
            if damage == 'byte':
                at = len(body) // 2
                self.assertEqual((len(answer.body), answer.body[:100]), (len(body) - 1, body[:100]))
                self.assertEqual(answer.body[at:at + 20], body[at + 1:at + 21])
            elif damage == 'string':
                self.assertIsNone(answer.json)
                self.assertGreater(len(answer.body), len(body) // 2)
            else:
                self.assertEqual(answer.json, {'Records': 7, 'MillisBehindLatest': 'x', 'NextShardIterator': 7})
        for damage in ('byte', 'string', 'type'):
            self.fault(body='', damage=damage)
            self.assertEqual(self.s.call('ListStreams').body, b'')


class Sending(Faults):
    def send(self, operation='ListStreams', **members):
        plain = self.connect()
        plain.sendall(request_bytes(operation, json.dumps(members).encode()))
        return plain

    def nothing_more(self, plain):
        """The server has taken the request and says nothing."""
        self.s.ok('ListStreams')
        plain.setblocking(False)
        with self.assertRaises(BlockingIOError):
            plain.recv(1)
        plain.settimeout(30)

    def take(self, plain, count):
        got = b''
        while len(got) < count:
            got += plain.recv(count - len(got)) or self.fail(f'closed behind {got!r}')
        return got

    def wait_for(self, operation, requests):
        while self.s.admin('GET', 'stats').json['operations'].get(operation, {}).get('requests', 0) < requests:
            pass

    def test_a_reset_with_and_without_the_call_carried_out(self):
        for execute in (False, True):
            self.fault(operation='PutRecord', reset=True, execute=execute)
            with self.assertRaises(ConnectionResetError):
                self.s.call('PutRecord', **PUT)
            self.s.close()
            self.assertEqual(self.count(), int(execute))

    def test_a_cut_answer(self):
        for length in (0, 10):
            self.fault(operation='ListStreams', truncate=length)
            with self.assertRaises(http.client.IncompleteRead) as caught:
                self.s.call('ListStreams')
            self.assertEqual(len(caught.exception.partial), length)
            self.s.close()
        self.assertEqual(self.s.call('ListStreams').status, 200)

    def test_a_late_answer_holds_up_its_own_connection_only(self):
        self.fault(operation='PutRecord', delay_ms=3600000)
        self.fault(operation='PutRecord', delay_ms=100)
        late = self.send('PutRecord', **PUT)
        while self.count() < 1:  # carried out at once, answered later
            pass
        soon = self.connect()
        soon.sendall(request_bytes('PutRecord', json.dumps(PUT).encode()) + request_bytes('ListStreams'))
        self.assertEqual([status for status, _ in self.receive(soon, 2)], [200, 200])
        self.assertEqual(self.count(), 2)
        self.nothing_more(late)

    def test_ending_with_answers_held_back(self):
        self.fault(delay_ms=3600000)
        self.fault(stall=True)
        self.fault(drip_ms=3600000)
        held = [self.send() for _ in range(3)]
        self.wait_for('ListStreams', len(held))

    def test_a_stall_takes_and_never_answers(self):
        def open_files():
            return len(os.listdir(f'/proc/{self.s.process.pid}/fd'))
        self.s.ok('ListStreams')
        before = open_files()
        self.fault(operation='PutRecord', stall=True)
        plain = self.send('PutRecord', **PUT)
        self.wait_for('PutRecord', 1)
        self.assertEqual(self.count(), 1, 'it is carried out')
        plain.sendall(request_bytes('ListStreams') * 3)
        self.nothing_more(plain)
        self.assertEqual(open_files(), before + 1)
        plain.close()
        while open_files() > before:
            pass

    def test_a_stall_within_the_body(self):
        self.fault(operation='ListStreams', stall=True, truncate=7)
        plain = self.send()
        self.wait_for('ListStreams', 1)
        head = b''
        while not head.endswith(b'\r\n\r\n'):
            head += self.take(plain, 1)
        self.assertNotIn(b'Connection', head)
        self.assertEqual(self.take(plain, 7), b'{"HasMo')
        self.nothing_more(plain)

    def test_a_slow_drip(self):
        self.fault(operation='ListStreams', drip_bytes=5, drip_ms=3600000)
        plain = self.send()
        self.assertEqual(self.take(plain, 5), b'HTTP/')
        self.nothing_more(plain)
        self.fault(operation='ListStreams', drip_bytes=3, drip_ms=1)
        plain = self.connect()
        plain.sendall(request_bytes('ListStreams') * 2)
        got = self.receive(plain, 2)
        self.assertEqual([status for status, _ in got], [200, 200])
        self.assertEqual(got[0], got[1], 'what follows comes whole')
        self.fault(operation='ListStreams', drip_bytes=3, truncate=9)
        plain = self.send()
        self.assertEqual(plain.makefile('rb').read().partition(b'\r\n\r\n')[2], b'{"HasMore')

    def test_a_wrong_content_length(self):
        self.fault(operation='ListStreams', content_length=9)
        self.assertEqual(self.s.call('ListStreams').body, b'{"HasMore')
        self.s.close()
        whole = self.s.call('ListStreams').body
        self.fault(operation='ListStreams', content_length=9999, close='announced')
        with self.assertRaises(http.client.IncompleteRead) as caught:
            self.s.call('ListStreams')
        self.assertEqual(caught.exception.partial, whole)
        self.s.close()
        self.fault(operation='ListStreams', content_length=9999)
        plain = self.send()
        got = b''
        while not got.endswith(whole):
            got += self.take(plain, 1)
        self.nothing_more(plain)

    def test_a_keep_alive_that_is_closed(self):
        for close in ('announced', 'silent'):
            self.fault(operation='ListStreams', close=close)
            plain = self.send()
            answer = plain.makefile('rb').read()
            self.assertEqual(b'Connection: close\r\n' in answer, close == 'announced')
            self.assertTrue(answer.endswith(b'}'))
        self.fault(operation='ListStreams', close='silent', truncate=3)
        answer = self.send().makefile('rb').read()
        self.assertNotIn(b'Connection', answer)
        self.assertTrue(answer.endswith(b'\r\n\r\n{"H'))


class Scripts(Faults):
    """Modes set by a rule when it hits, and all of it given at the start."""

    def file(self, text):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name) / 'faults.json'
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return str(path)

    def test_a_rule_posts_when_it_hits(self):
        self.put(ExplicitHashKey='0')
        self.fault(operation='GetRecords', skip=1, post={
            'stream': {'stream': 's', 'trim': True}, 'clock': {'advance_ms': 60000},
            'fault': [{'operation': 'ListStreams', 'type': 'A'}, {'operation': 'ListStreams', 'type': 'B'}]})
        before = self.s.advance(0)
        self.assertEqual(self.count(), 1)
        self.assertEqual(self.errors(1), [''])
        self.assertEqual(self.count(), 0)
        self.assertEqual(self.errors(3), ['A', 'B', ''])
        self.assertEqual(round(self.s.advance(0) - before), 60)

    def test_a_script_at_the_start(self):
        path = self.file({'clock': {'frozen': True}, 'stream': [{'stream': 's', 'behind_ms': 5}, {'stream': 't', 'scale': 3}],
                          'fault': [{'operation': 'ListStreams', 'skip': 1, 'times': 2, 'throttle': True}]})
        with Local(BINARY, '--streams', 's:1,t:1', '--no-limits', '--faults', path) as s:
            self.assertEqual([s.call('ListStreams').error for _ in range(4)], ['', LIMITED, LIMITED, ''])
            self.assertEqual(s.ok('DescribeStreamSummary', StreamName='t')['StreamDescriptionSummary']['OpenShardCount'], 3)
            iterator = s.ok('GetShardIterator', StreamName='s', ShardId=shard_id(0),
                            ShardIteratorType='LATEST')['ShardIterator']
            self.assertEqual(s.ok('GetRecords', ShardIterator=iterator)['MillisBehindLatest'], 5)

    def test_the_recipes_of_the_readme_are_taken(self):
        rows = (pathlib.Path(__file__).parent / 'README.md').read_text().partition('### Recipes')[2].partition('## ')[0]
        recipes = re.findall(r'(fault|stream|clock|auth) `({.*?})`', rows)
        self.assertGreater(len(recipes), 9)
        self.mode('s', recreate=1)
        for path, body in recipes:
            answer = self.s.admin('POST', path, json.loads(body.replace('demo', 's')))
            self.assertEqual(answer.status, 200, (path, body, answer.body))

    def test_a_bad_script_ends_it_with_one_line(self):
        for text in ('{', '[]', {'fault': {'tims': 1}}, {'fault': [{'tims': 1}, {}]}, {'stream': {'stream': 'none'}},
                     {'nothing': {}}):
            done = subprocess.run([BINARY, '--port', '0', '--faults', self.file(text)], capture_output=True, text=True,
                                  timeout=30)
            self.assertEqual((done.returncode, done.stdout, done.stderr.count('\n')), (1, '', 1), (text, done.stderr))
        done = subprocess.run([BINARY, '--port', '0', '--faults', '/no/such'], capture_output=True, text=True, timeout=30)
        self.assertEqual((done.returncode, done.stderr), (1, 'kcl-local: /no/such: No such file or directory\n'))


if __name__ == '__main__':
    unittest.main(verbosity=1)
