#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""queue_model.py - an exhaustive search over the way of one job through the queue.

What it models: one job id, pushed up to two times with the same content, two worker
processes and their replacements, and the scripts of common/queue: claim (BLMOVE), adopt,
begin, journal, retry, release, promote, finish, recover (to the queue or to quarantine),
the sweep of fenced holders, and the store's row. Two journalled turns a job.

Besides, one at a time: a drain, in which a worker hands back (unclaim) what stands in its
list and is in nobody's hand; a pause, in which begin refuses and the worker hands back; a
cancel at any point, also before the first push, after which a worker may take the payload
out of turn; and a run that may fail, with a second copy of a higher retry_count that runs a failed job again
(base_token, the row replaced by the higher token), or an operator who sends a dead job
back. A begin may miss the row, as when the look at the store is older; what it publishes
it has read after begin. Or the owner has a budget: reserve before each call, settled by
the journal's record of its answer (two calls a job, a lost reply sends either again).

Faults, as many as the budget allows, at every point: a worker dies; a reply is lost (of a
claim, begin, finish, retry) and the command is sent again or forgotten; a worker stalls
past its lease and is recovered while it lives; a dead client's blocked claim is served.

What must hold in every state that can be reached:
  - never two results on the list, never more results than pushes, never one turn twice
    in the journal, never two workers in good standing that run the job at once;
  - never an id pushed as if it were a payload;
  - the owner's counter and the job's hash agree on what is reserved, nothing is reserved
    for a job that nobody holds, and each journalled answer is charged exactly once;
  - a completed row is never replaced, nor a failed one by a lower token, and what is
    published is what the row says at that moment;
  - without further faults the job can still end: a result published, and nothing left
    anywhere ("stuck" counts the states from which that end cannot be reached).

Each naive variant leaves out one rule of the protocol and must fail; a variant that does
not would mean that the model has become blind. A script that changes must change its
function here too.

Usage: queue_model.py [BUDGET]     (default 2; 3 takes minutes)
Exits 0 when the protocol holds and every naive variant fails.
"""
import sys
from collections import deque, namedtuple

# owed: how often something of the owner's budget is reserved; charged: calls it has paid
State = namedtuple('State', 'pushed jobs alone delayed held procs job row journal results '
                   'published fenced moves budget cancel broken told owed charged',
                   defaults=((), 0, 0))
# payload: 'r', or 'R' for the copy of a higher retry_count; reserved: token and turn of the
# call for which something of the owner's budget is reserved
Job = namedtuple('Job', 'state holder token claim payload base reserved', defaults=(None,))
# failed or done, under which token, of which payload; born: the token of the run that
# wrote it (settling raises the token of a stored failure, not this)
Row = namedtuple('Row', 'status token payload born')
# phase: idle, raw / id (an element in hand, not begun), run, stored, moving (retry sent),
# dead; claim: number of the element in hand; token, turns: of the job in hand; element:
# the payload in hand; message: what the store gave back
Proc = namedtuple('Proc', 'holder phase claim token turns element base message')
IDLE = {'phase': 'idle', 'claim': 0, 'token': 0, 'turns': 0, 'element': '', 'base': 0,
        'message': None}

TURNS = 2
RANK = {'r': 0, 'R': 1}  # retry_count
MOVES_MAX = 1  # retries and releases of the job

RULES = {
    'unique': 'a recovered holder is fenced, its process takes a new name',
    'adopt': 'a worker reads its own held list and adopts what it has not in hand',
    'level': 'recovery goes by the set of live holders, not by notices',
    'journal_fence': 'only the current token may journal, each index once',
    'finish_fence': 'only the current token may finish',
    'once': 'a result is pushed only on an empty list',
    'takeover': 'a job begun from a fenced holder leaves that holder\'s list',
    'dedup': 'a copy of a job that is held elsewhere is dropped',
}
# what leaves these out must fail in the search with that extra
EXTRA_RULES = {
    'replace': ('rerun', 'a row is replaced only when it failed under a lower token'),
    'base': ('operator', 'a stored failure of an earlier run is not this run\'s result'),
    'settle': ('rerun', 'a stored failure gets the token of who publishes it'),
    'in_hand': ('drain', 'a worker hands back only what is in nobody\'s hand'),
    'turn': ('rerun', 'a job leaves one turn in its session, the one of its last run'),
    'give_back': ('budget', 'who moves or ends a job gives back what it has reserved'),
    'charge_once': ('budget', 'a record that is there already is not charged again'),
    'move_out': ('cancel', 'a cancel takes the job out of where it waits'),
    'no_wait': ('cancel', 'a cancelled job that is handed back waits for no time'),
}


def put(pairs, key, value):
    d = dict(pairs)
    if value:
        d[key] = value
    else:
        d.pop(key, None)
    return tuple(sorted(d.items()))


def without(elements, e):
    out = list(elements)
    out.remove(e)
    return tuple(out)


class Model:
    def __init__(self, copies, budget, off=(), extra=None):
        self.copies, self.budget, self.extra = copies, budget, extra
        self.on = {rule: rule not in off for rule in list(RULES) + list(EXTRA_RULES)}

    def start(self):
        procs = tuple(Proc(f'w{i}', **IDLE) for i in range(2))
        return State(0, (), 0, 0, (), procs, None, None, (), 0, 0, (), 0, self.budget, 0, '', ())

    # ---- scripts ----

    def held(self, s, holder):
        return dict(s.held).get(holder, ())

    def set_held(self, s, holder, elements):
        return s._replace(held=put(s.held, holder, elements))

    def recover(self, s, holder, to_alone):
        """One call moves one element, so that everything may happen between two calls."""
        mine = self.held(s, holder)
        if not self.on['unique']:  # naive: a mere move of the list
            return self.set_held(s._replace(jobs=('r',) * len(mine) + s.jobs), holder, ())
        if holder not in s.fenced:
            s = s._replace(fenced=tuple(sorted(s.fenced + (holder,))))
        for e in mine[-1:] if self.on['level'] else mine[::-1]:
            s = self.recover_one(s, holder, e, to_alone)
            mine = without(mine, e)
        return self.set_held(s, holder, mine)

    def give_back(self, s):
        if not s.job or not s.job.reserved or not self.on['give_back']:
            return s
        return s._replace(owed=s.owed - 1, job=s.job._replace(reserved=None))

    def reserve(self, s, p):
        name = (p.token, p.turns)
        if not self.is_current(s, p) or s.job.reserved == name:
            return s
        s = self.give_back(s)
        return s._replace(owed=s.owed + 1, job=s.job._replace(reserved=name))

    def settle_turn(self, s, p):
        if not s.job.reserved or s.job.reserved != (p.token, p.turns):
            return s
        return s._replace(owed=s.owed - 1, charged=s.charged + 1,
                          job=s.job._replace(reserved=None))

    def recover_one(self, s, holder, e, to_alone):
        if e == 'i' and s.job and s.job.state == 'held' and s.job.holder == holder:
            s = self.give_back(s)
            if to_alone:
                return s._replace(alone=s.alone + 1,
                                  job=s.job._replace(state='alone', claim=0))
            return s._replace(jobs=(s.job.payload,) + s.jobs,
                              job=s.job._replace(state='queued', claim=0))
        if e == 'i' and s.job and s.job.state == 'alone':
            return s._replace(alone=s.alone + 1)
        return s._replace(jobs=('x' if e == 'i' else e,) + s.jobs)

    def unclaim(self, s, holder, e):
        """Hands back what is in nobody's hand."""
        if holder in s.fenced or e not in self.held(s, holder):
            return s
        job = s.job
        is_mine = job and job.state == 'held' and job.holder == holder
        if e == 'i' and not is_mine and not (job and job.state == 'alone'):
            return s
        after = self.set_held(s, holder, without(self.held(s, holder), e))
        return self.recover_one(after._replace(job=s.job), holder, e, False)

    def cancel(self, s):
        s = s._replace(cancel=1)
        job = s.job
        if not job or job.state in ('done', 'failed'):
            return s
        is_out = False
        if job.state == 'delayed' and s.delayed:
            s, is_out = s._replace(delayed=0 if self.on['move_out'] else 1), True
        elif job.state == 'alone' and s.alone:
            s, is_out = s._replace(alone=s.alone - (1 if self.on['move_out'] else 0)), True
        if is_out:
            s = s._replace(jobs=(job.payload,) + s.jobs, job=job._replace(state='queued'))
        return s

    def take(self, s, holder):
        """A worker without a free place, or in a pause, takes the cancelled payload."""
        if holder in s.fenced or not s.cancel or s.job and s.job.state != 'queued':
            return
        for e in set(s.jobs):
            after = s._replace(jobs=without(s.jobs, e))
            yield self.set_held(after, holder, self.held(s, holder) + (e,))

    def operator(self, s):
        """dead retry: the same payload once more, with the counters at zero."""
        if s.pushed < self.copies and s.job and s.job.state == 'failed':
            yield s._replace(pushed=s.pushed + 1, results=0, jobs=s.jobs + (s.job.payload,),
                             job=s.job._replace(state='queued', base=s.job.token)), False

    def publish(self, s, message):
        if s.results and self.on['once']:
            return s
        if message != s.row:
            s = s._replace(broken='published what the row does not say')
        return s._replace(results=s.results + 1, published=s.published + 1)

    def put(self, s, p, status):
        """The store's upsert: answers the state and the row read back."""
        row = s.row
        mine = Row(status, p.token, p.element, p.token)
        if row is None or (row.status == 'failed' and row.token < p.token):
            return s._replace(row=mine), mine
        if not self.on['replace']:
            return s._replace(row=mine, broken='a row was replaced that must stay'), mine
        return s, row

    def settle(self, row, token):
        """A stored failure that is to be published: nobody may replace it from now on."""
        if row.status == 'failed' and self.on['settle']:
            return row._replace(token=max(row.token, token))
        return row

    def is_superseded(self, p, row):
        if row.status != 'failed':
            return False
        return (self.on['base'] and row.token <= p.base) or RANK[p.element] > RANK[row.payload]

    def begin(self, s, p):
        """Answers (state, process): p has an element of kind p.phase in hand."""
        idle = p._replace(**IDLE)
        element = 'i' if p.phase == 'id' else p.element
        mine = self.held(s, p.holder)
        job = s.job
        is_mine = job and job.state == 'held' and job.holder == p.holder

        def in_hand(after):
            j = after.job
            return after, p._replace(phase='run', token=j.token, turns=len(after.journal),
                                     element=j.payload, base=j.base)

        if p.holder in s.fenced:
            return s, idle
        if is_mine and job.claim == p.claim and 'i' in mine:
            return in_hand(s)
        if element not in mine:
            return s, idle
        rest = without(mine, element)
        drop = self.set_held(s, p.holder, rest)
        runs_again = job and job.state == 'failed' and element != 'i' and \
            RANK[element] > RANK[job.payload]
        if job and job.state in ('done', 'failed') and not runs_again:
            # Redis keeps the message that was published
            return self.publish(drop, drop.row), idle
        if job and (job.state == 'delayed' or (job.state == 'alone') != (element == 'i')
                    and job.state in ('alone', 'queued')):
            return drop, idle
        if self.on['dedup'] and job and job.state == 'held' and \
                job.holder not in s.fenced and not (is_mine and element == 'i'):
            return drop, idle
        if job and job.state == 'held' and not is_mine and self.on['takeover']:
            theirs = self.held(drop, job.holder)
            if 'i' in theirs:
                drop = self.set_held(drop, job.holder, without(theirs, 'i'))
        token, base = (job.token if job else 0) + 1, job.base if job else 0
        if runs_again:
            drop, base = drop._replace(results=0, cancel=0), job.token
        drop = self.give_back(drop)
        s = self.set_held(drop, p.holder, rest + ('i',))
        s = s._replace(job=Job('held', p.holder, token, p.claim,
                               job.payload if element == 'i' else element, base))
        return in_hand(s)

    def is_current(self, s, p):
        return bool(s.job and s.job.state == 'held' and s.job.holder == p.holder and
                    s.job.token == p.token and p.holder not in s.fenced)

    def journal(self, s, p):
        idle = p._replace(**IDLE)
        if not self.on['journal_fence']:
            return s._replace(journal=s.journal + (p.turns,)), p._replace(turns=p.turns + 1)
        if not self.is_current(s, p):
            return s, idle
        if len(s.journal) == p.turns:
            s = self.settle_turn(s._replace(journal=s.journal + (p.turns,)), p)
        elif not self.on['charge_once']:
            s = s._replace(charged=s.charged + 1)
        return s, p._replace(turns=len(s.journal))

    def finish(self, s, p):
        idle = p._replace(**IDLE)
        mine = self.held(s, p.holder)
        if self.on['finish_fence'] and (not self.is_current(s, p) or 'i' not in mine):
            return s, idle
        if 'i' in mine:
            s = self.set_held(s, p.holder, without(mine, 'i'))
        s = self.give_back(s)
        s = s._replace(job=s.job._replace(state=p.message.status, claim=0))
        turn = (p.message.status, p.message.born)
        s = s._replace(told=(turn,) if self.on['turn'] else s.told + (turn,))
        return self.publish(s, p.message), idle

    def move(self, s, p, to_delayed):
        idle = p._replace(**IDLE)
        mine = self.held(s, p.holder)
        if not self.is_current(s, p) or 'i' not in mine:
            return s, idle
        s = self.give_back(self.set_held(s, p.holder, without(mine, 'i')))
        if to_delayed and not (s.cancel and self.on['no_wait']):
            if s.cancel:
                s = s._replace(broken='a cancelled job waits for a time')
            return s._replace(delayed=1, job=s.job._replace(state='delayed', claim=0)), idle
        return s._replace(jobs=(s.job.payload,) + s.jobs,
                          job=s.job._replace(state='queued', claim=0)), idle

    # ---- one step of each actor: (state, is it a fault) ----

    def worker_steps(self, s, i):
        p = s.procs[i]

        def become(state, proc):
            return state._replace(procs=state.procs[:i] + (proc,) + state.procs[i + 1:])

        spent = s._replace(budget=s.budget - 1)
        mine = self.held(s, p.holder)
        is_fenced = p.holder in s.fenced
        idle = p._replace(**IDLE)
        # a number that the job does not know yet; two are enough
        claim = 2 if s.job and s.job.holder == p.holder and s.job.claim == 1 else 1
        if self.extra == 'drain' and (p.phase == 'idle' or not self.on['in_hand']):
            for e in set(mine):
                yield self.unclaim(s, p.holder, e), False
        if self.extra == 'cancel':
            for after in self.take(s, p.holder):
                yield after, False
        if p.phase == 'idle':
            taken = []
            if s.jobs:
                taken.append((s._replace(jobs=s.jobs[1:]), s.jobs[0], 'raw'))
            if s.alone:
                taken.append((s._replace(alone=s.alone - 1), 'i', 'id'))
            for after, e, phase in taken:
                after = self.set_held(after, p.holder, mine + (e,))
                yield become(after, p._replace(phase=phase, claim=claim, element=e)), False
                if s.budget:
                    yield after._replace(budget=s.budget - 1), True  # reply lost
            if self.on['adopt'] and mine and not is_fenced:
                e = 'i' if 'i' in mine else mine[0]
                yield become(s, p._replace(phase='id' if e == 'i' else 'raw', claim=claim,
                                           element=e)), False
            if is_fenced:
                yield become(s, Proc(p.holder + "'", **IDLE)), False
        elif p.phase in ('raw', 'id'):
            is_begun = s.job and s.job.holder == p.holder and s.job.claim == p.claim
            if self.extra == 'pause' and not is_begun:  # answered PAUSED, handed back
                element = 'i' if p.phase == 'id' else p.element
                yield become(self.unclaim(s, p.holder, element), idle), False
                if s.budget:  # answered PAUSED, and forgotten
                    yield become(s._replace(budget=s.budget - 1), idle), True
            after, q = self.begin(s, p)
            yield become(after, q), False
            if q.phase == 'run' and s.row and not self.is_superseded(q, s.row):
                row = self.settle(s.row, q.token)
                yield become(after._replace(row=row),
                             q._replace(phase='stored', message=row)), False
            if s.budget:
                yield after._replace(budget=s.budget - 1), True  # reply lost, sent again
                yield become(after._replace(budget=s.budget - 1), idle), True  # forgotten
        elif p.phase == 'run':
            if p.turns < TURNS and self.extra == 'budget':
                yield self.reserve(s, p), False  # sent again: the same state
            name = (p.token, p.turns)
            if p.turns < TURNS and (self.extra != 'budget' or not self.is_current(s, p) or
                                    s.job.reserved == name or len(s.journal) > p.turns):
                after, q = self.journal(s, p)
                yield become(after, q), False
                if self.extra == 'budget' and s.budget:
                    yield after._replace(budget=s.budget - 1), True  # reply lost, sent again
            if p.turns == TURNS or s.cancel:
                ends = ['done'] if p.turns == TURNS else []
                if s.cancel or self.extra == 'rerun' and p.element == 'r' or \
                        self.extra == 'operator' and p.base == 0:
                    ends.append('failed')
                for end in ends:
                    after, row = self.put(s, p, end)
                    yield become(after, p._replace(phase='stored', message=row)), False
            if s.moves < MOVES_MAX:
                for to_delayed in (True, False):
                    after, q = self.move(s._replace(moves=s.moves + 1), p, to_delayed)
                    yield become(after, q), False
                    if s.budget:
                        yield become(after._replace(budget=s.budget - 1),
                                     p._replace(phase='moving')), True
        elif p.phase == 'moving':  # sent again: ALREADY or FENCED, the job is out of hand
            yield become(s, idle), False
        elif p.phase == 'stored':
            after, q = self.finish(s, p)
            yield become(after, q), False
            if s.budget:
                yield after._replace(budget=s.budget - 1), True  # reply lost, sent again
        if s.budget:
            dead = p._replace(**IDLE)._replace(phase='dead')
            yield become(spent, dead), True
            if not self.on['level']:  # the notice arrives: recovered once, now
                yield become(self.recover(spent, p.holder, False), dead), True
            if mine and not is_fenced:  # stalls past the lease
                yield self.recover(spent, p.holder, False), True

    def steps(self, s):
        if self.extra == 'operator' and s.pushed > 0:
            yield from self.operator(s)
        elif s.pushed < self.copies:
            copy = 'R' if self.extra == 'rerun' and s.pushed > 0 else 'r'
            yield s._replace(pushed=s.pushed + 1, jobs=s.jobs + (copy,)), False
        if self.extra == 'cancel' and not s.cancel:
            yield self.cancel(s), True
        for i, p in enumerate(s.procs):
            if p.phase != 'dead':
                yield from self.worker_steps(s, i)
            elif s.jobs and s.budget:  # a claim served to a dead client
                late = s._replace(jobs=s.jobs[1:], budget=s.budget - 1)
                yield self.set_held(late, p.holder,
                                    self.held(s, p.holder) + (s.jobs[0],)), True
        if s.results:  # the reader
            yield s._replace(results=s.results - 1), False
        if s.delayed:
            job = s.job._replace(state='queued') if s.job.state == 'delayed' else s.job
            jobs = s.jobs + (s.job.payload,) if s.job.state == 'delayed' else s.jobs
            yield s._replace(delayed=0, jobs=jobs, job=job), False
        if self.on['level']:
            live = {p.holder for p in s.procs if p.phase != 'dead'}
            for holder, _ in s.held:
                if holder not in live or holder in s.fenced:
                    yield self.recover(s, holder, False), False
                    yield self.recover(s, holder, True), False
        dead = [p for p in s.procs if p.phase == 'dead']
        if dead and len(s.procs) < max(3, self.budget + 1):
            name = f'w{len(s.procs)}' if self.on['unique'] else dead[-1].holder
            yield s._replace(procs=s.procs + (Proc(name, **IDLE),)), False

    # ---- the search ----

    def wrong(self, s):
        if s.broken:
            return s.broken
        if self.is_stale(s):
            return 'a run ended with the result of the run before'
        if s.results > 1:
            return 'two results on the list'
        if s.published > s.pushed:
            return 'more results than pushes'
        ended = s.job.base if s.job else 0  # tokens of a run that is over
        running = [p for p in s.procs if p.phase in ('run', 'stored') and
                   p.holder not in s.fenced and p.token > ended]
        if len(running) > 1:
            return 'two workers in good standing run the job at once'
        if len(s.told) > 1:
            return 'two turns of one job in its session'
        if s.job and s.job.state in ('done', 'failed') and \
                s.told != ((s.row.status, s.row.born),):
            return 'the session does not know how the job ended'
        if len(set(s.journal)) != len(s.journal):
            return 'one turn twice in the journal'
        if s.owed != (1 if s.job and s.job.reserved else 0):
            return 'the owner\'s counter and the job differ'
        if s.job and s.job.reserved and s.job.state != 'held':
            return 'reserved for a job that nobody holds'
        if self.extra == 'budget' and s.charged != len(s.journal):
            return 'an answer that was not charged exactly once'
        if 'x' in s.jobs:
            return 'an id pushed as a payload'
        return None

    def is_stale(self, s):
        """Did the run that the operator asked for end with the former run's row?"""
        return self.extra == 'operator' and s.job and s.job.base and \
            s.job.state in ('done', 'failed') and s.row and s.row.born <= s.job.base

    def is_end(self, s):
        is_all = s.pushed == self.copies or \
            (self.extra == 'operator' and s.job and s.job.state == 'done')
        return is_all and s.published > 0 and not (
            s.jobs or s.alone or s.delayed or s.held)

    def trace(self, seen, s):
        way = []
        while s is not None:
            way.append(s)
            s = seen[s]
        return way[::-1]

    def search(self, states_max=3000000):
        """Answers (states, what went wrong or None, the way there)."""
        first = self.start()
        seen, queue, before, ends = {first: None}, deque([first]), {}, []
        while queue:
            s = queue.popleft()
            why = self.wrong(s)
            if why:
                return len(seen), why, self.trace(seen, s)
            if self.is_end(s):
                ends.append(s)
            for after, is_fault in self.steps(s):
                if not is_fault:
                    before.setdefault(after, []).append(s)
                if after not in seen:
                    seen[after] = s
                    queue.append(after)
            if len(seen) > states_max:
                return len(seen), 'too many states', []
        good, queue = set(ends), deque(ends)
        while queue:
            for s in before.get(queue.popleft(), ()):
                if s not in good:
                    good.add(s)
                    queue.append(s)
        for s in seen:  # in the order of their discovery: the shortest way first
            if s not in good:
                return len(seen), f'stuck in {len(seen) - len(good)} states', \
                    self.trace(seen, s)
        return len(seen), None, []


def main():
    budget = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    failures = 0
    for copies in (1, 2):
        n, why, way = Model(copies, budget).search()
        print(f'protocol, {copies} copies, {budget} faults: {n} states:', why or 'holds')
        for s in way:
            print('   ', s)
        failures += why is not None
    fewer = max(1, budget - 1)
    for extra in ('drain', 'pause', 'cancel', 'rerun', 'operator', 'budget'):
        n, why, way = Model(2, fewer, extra=extra).search()
        print(f'protocol with {extra}, 2 copies, {fewer} faults: {n} states:',
              why or 'holds')
        for s in way:
            print('   ', s)
        failures += why is not None
    for rule, (extra, text) in EXTRA_RULES.items():
        faults = 2 if rule == 'settle' else 1
        n, why, way = Model(2, faults, off=(rule,), extra=extra).search()
        print(f'without "{rule}" ({text}): {n} states:',
              f'{why}, in {len(way) - 1} steps' if why else 'HOLDS, which it must not')
        failures += why is None
    for rule in RULES:
        n, why, way = Model(2, min(budget, 2), off=(rule,)).search()
        print(f'without "{rule}" ({RULES[rule]}): {n} states:',
              f'{why}, in {len(way) - 1} steps' if why else 'HOLDS, which it must not')
        failures += why is None
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
