#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The ledger finds each thing that it is there to find, and accuses nobody else."""
import unittest

from ledger import Judgement, Ledger, Line, Put
from redis_watch import Lease, Seen

KEY = 'k'


def line(number, at, writer='a.1', shard='s0', token=10, sequence=None, width=0.01, place=None):
    return Line(writer, place if place is not None else number, at, at + width, shard,
                sequence if sequence is not None else 100 + number, token, KEY, number)


def lease(shard='s0', token=10, owner='a#1', state='0', ckpt='0', epoch=0):
    return Lease('stream/1/' + shard, [str(token), owner, state, str(epoch), ckpt, '', '', '1'])


def judge(lines, puts=None, changes=(), parents=None):
    ledger = Ledger()
    for number in puts if puts is not None else sorted({entry.number for entry in lines}):
        where = next((entry for entry in lines if entry.number == number), None)
        ledger.add_put(Put(KEY, number, where.shard if where else 's0', where.sequence if where else 100 + number, 0))
    ledger.add_lines(lines)
    return Judgement(ledger, changes, parents or {})


class Right(unittest.TestCase):
    def test_nothing_wrong(self):
        judgement = judge([line(1, 1), line(2, 2), line(3, 3)])
        self.assertEqual(judgement.problems() + judgement.late, [])
        self.assertEqual(judgement.summary(), 'put 3, delivered 3 distinct, again 0, lost 0, out of order 0, '
                                              'double commits 0')

    def test_again_is_counted_and_allowed(self):
        judgement = judge([line(1, 1), line(2, 2), line(2, 3, 'b.1', token=20), line(3, 4, 'b.1', token=20)])
        self.assertEqual(judgement.problems() + judgement.late, [])
        self.assertEqual(judgement.again(), 1)

    def test_times_that_overlap_prove_nothing(self):
        self.assertEqual(judge([line(1, 1.005), line(2, 1)]).problems(), [])

    def test_commit_behind_delivery(self):
        changes = [Seen(1.1, 1.2, lease(), lease(ckpt='3:101:0')), Seen(3, 3.1, lease(ckpt='3:101:0'),
                                                                        lease(token=30, owner='', ckpt='3:102:0'))]
        self.assertEqual(judge([line(1, 1), line(2, 2)], changes=changes).problems(), [])


class Wrong(unittest.TestCase):
    def assert_one(self, found, **counts):
        for kind in ('lost', 'disorder', 'commits', 'late', 'other'):
            self.assertEqual(len(getattr(found, kind)), counts.get(kind, 0), (kind, getattr(found, kind)))

    def test_lost(self):
        self.assert_one(judge([line(1, 1), line(3, 3)], puts=[1, 2, 3]), lost=1)

    def test_out_of_order_by_time(self):
        self.assert_one(judge([line(2, 1, place=1, sequence=90, writer='b.1', shard='s1', token=20),
                               line(1, 2)]), disorder=1)

    def test_out_of_order_by_token(self):
        self.assert_one(judge([line(2, 1), line(1, 1.005, 'b.1', token=20, place=1)]), disorder=1)

    def test_back_under_one_token(self):
        self.assert_one(judge([line(1, 1, place=1), line(2, 1, place=2), line(1, 1, place=3)]), disorder=1)

    def test_child_before_parent(self):
        lines = [line(1, 1, token=10), line(2, 1.005, shard='s1', token=20), line(3, 1.005, token=30, place=2)]
        found = judge(lines, parents={'s1': ['s0']})
        self.assertTrue(any('child' in sentence for sentence in found.disorder))

    def test_child_before_parent_by_time(self):
        found = judge([line(1, 5, token=10), line(2, 1, shard='s1', token=20)], parents={'s1': ['s0']})
        self.assertTrue(any('child' in sentence for sentence in found.disorder))

    def test_line_of_a_replaced_owner(self):
        self.assert_one(judge([line(1, 1), line(1, 2, 'b.1', token=20), line(1, 3, place=2)]), late=1)

    def test_one_token_for_two_workers(self):
        found = judge([line(1, 1), line(2, 2, 'b.1')])
        self.assertTrue(any('both had token' in sentence for sentence in found.commits))

    def test_other_place(self):
        ledger = Ledger()
        ledger.add_put(Put(KEY, 1, 's1', 101, 0))
        ledger.add_lines([line(1, 1)])
        self.assert_one(Judgement(ledger, [], {}), other=1)

    def commits(self, before, now, lines=None):
        return judge(lines if lines is not None else [line(1, 0), line(2, 0)], changes=[Seen(1, 1.1, before, now)])

    def test_checkpoint_falls(self):
        self.assert_one(self.commits(lease(ckpt='3:102:0'), lease(ckpt='3:101:0')), commits=1)
        self.assert_one(self.commits(lease(ckpt='3:102:0'), lease(token=20, owner='b#2', ckpt='3:101:0')), commits=1)

    def test_token_falls(self):
        self.assert_one(self.commits(lease(token=20), lease(token=10)), commits=1)

    def test_ended_lease_opens(self):
        self.assert_one(self.commits(lease(state='1', ckpt='4', owner=''), lease(ckpt='4', owner='')), commits=1)

    def test_commit_of_what_nobody_printed(self):
        self.assert_one(self.commits(lease(), lease(ckpt='3:103:0')), commits=1)
        self.assert_one(self.commits(lease(), lease(ckpt='3:102:0'), [line(1, 0), line(2, 2)]), commits=1)

    def test_commit_of_what_another_printed(self):
        self.assert_one(self.commits(lease(token=20), lease(token=20, ckpt='3:102:0')), commits=1)

    def test_end_before_all_was_delivered(self):
        now = lease(state='1', ckpt='4', owner='')
        self.assert_one(self.commits(lease(), now, [line(1, 0), line(2, 2)]), commits=1)

    def test_one_token_two_owners(self):
        changes = [Seen(1, 1.1, None, lease()), Seen(2, 2.1, lease(), lease(owner='b#2'))]
        self.assert_one(judge([line(1, 0)], changes=changes), commits=1)


if __name__ == '__main__':
    unittest.main()
