import { bytes, counted, grouped, roundUp } from '../base/numbers.ts'
import { type Finding, fail, pass, unknown, warn } from './finding.ts'
import type { HostFacts, SysctlName } from './host-facts.ts'
import type { HostLoad } from './load.ts'
import { absent, sysctlFix } from './sysctl.ts'

type Judge = (values: readonly number[], load: HostLoad, facts: HostFacts) => Finding

/** Backlog that the gateway requests when it listens (uSockets). */
const listenBacklog = 512
/**
 * Above this, a client that stopped reading occupies more memory in the kernel than in the
 * gateway (64 KiB by default).
 */
const lowatBytes = 131_072
const advisedLowatBytes = 16_384
const mostSendBytes = 4 << 20
const pageBytes = 4096

/** Checks whether the kernel's settings allow the network load of one gateway. */
export function networkChecks(facts: HostFacts, load: HostLoad): Finding[] {
  const judged = judges.map(([name, judge]) => {
    const values = facts.sysctls.get(name)
    return values === undefined ? absent(name) : judge(values, load, facts)
  })
  return [...judged, conntrack(facts, load), queues(facts)]
}

const judges: readonly (readonly [SysctlName, Judge])[] = [
  ['net.ipv4.ip_local_port_range', portRange],
  ['net.core.somaxconn', somaxconn],
  ['net.ipv4.tcp_max_syn_backlog', synBacklog],
  ['net.ipv4.tcp_notsent_lowat', notsentLowat],
  ['net.ipv4.tcp_wmem', sendBuffer],
  ['net.ipv4.tcp_rmem', receiveBuffer],
  ['net.ipv4.tcp_mem', tcpMemory],
]

function portRange([from = 0, to = 0]: readonly number[], { clients }: HostLoad): Finding {
  const check = 'net.ipv4.ip_local_port_range'
  const ports = to - from + 1
  const figure = `${from} to ${to}: ${grouped(ports)} ports`
  if (ports < 1000) {
    return fail(
      check,
      figure,
      'outgoing connections, including those to the broker, run out of ports',
      sysctlFix(check, '1024 65535'),
    )
  }
  if (ports >= clients) return pass(check, figure, 'even a proxy on this host has a port for each client')
  const reason = `a proxy on this host needs one port a client for each address of a gateway, so it is limited to ${grouped(ports)} clients; without a proxy this does not matter`
  return warn(
    check,
    figure,
    reason,
    `${sysctlFix(check, '1024 65535')}; above 64 thousand clients, give the gateway several addresses`,
  )
}

function somaxconn([value = 0]: readonly number[]): Finding {
  const check = 'net.core.somaxconn'
  if (value >= listenBacklog)
    return pass(check, grouped(value), `the gateway gets the queue of ${listenBacklog} that it requests`)
  const reason = `the gateway requests a queue of ${listenBacklog} connections to accept and gets ${value}: a reconnect storm overflows it`
  return fail(check, grouped(value), reason, sysctlFix(check, 4096))
}

function synBacklog([value = 0]: readonly number[], _: HostLoad, { sysctls }: HostFacts): Finding {
  const check = 'net.ipv4.tcp_max_syn_backlog'
  const cookies = sysctls.get('net.ipv4.tcp_syncookies')?.[0]
  const figure = `${grouped(value)}, SYN cookies ${cookies === undefined ? 'unknown' : cookies > 0 ? 'on' : 'off'}`
  if (cookies !== undefined && cookies > 0)
    return pass(check, figure, 'further connections are answered with SYN cookies, not dropped')
  if (value >= 4096) return pass(check, figure, 'there is room for the half-open connections of a reconnect storm')
  const reason = 'further half-open connections are dropped when many clients connect at once'
  return warn(check, figure, reason, sysctlFix('net.ipv4.tcp_syncookies', 1))
}

function notsentLowat([value = 0]: readonly number[]): Finding {
  const check = 'net.ipv4.tcp_notsent_lowat'
  // The kernel shows "no bound" as 2^32 - 1, older kernels as -1.
  const isUnbounded = value < 0 || value >= 2 ** 31
  const figure = isUnbounded ? 'unlimited' : bytes(value)
  if (!isUnbounded && value <= lowatBytes)
    return pass(check, figure, 'the gateway soon notices a client that stops reading')
  const reason =
    'a client that stops reading takes megabytes of kernel memory before the gateway sees that its socket is full'
  return warn(check, figure, reason, sysctlFix(check, advisedLowatBytes))
}

function sendBuffer([least = 0, first = 0, most = 0]: readonly number[]): Finding {
  const check = 'net.ipv4.tcp_wmem'
  const figure = `${least} ${first} ${most}`
  const fix = sysctlFix(check, '4096 16384 1048576')
  if (first > 65_536) return warn(check, figure, `each socket may start with a send buffer of ${bytes(first)}`, fix)
  if (most < 65_536)
    return warn(
      check,
      figure,
      `${bytes(most)} in flight limit a client at a round-trip time of 100 ms to ${bytes(most * 10)} a second`,
      fix,
    )
  if (most >= mostSendBytes) {
    return warn(
      check,
      figure,
      `a client whose connection is dead holds up to ${bytes(most)} of unacknowledged data`,
      fix,
    )
  }
  return pass(check, figure, `a client whose connection is dead holds at most ${bytes(most)}`)
}

function receiveBuffer([least = 0, first = 0, most = 0]: readonly number[]): Finding {
  const check = 'net.ipv4.tcp_rmem'
  const figure = `${least} ${first} ${most}`
  if (most >= 1 << 20)
    return pass(check, figure, "the broker's batches arrive at full speed; an idle socket uses none of it")
  const reason = `the broker may have at most ${bytes(most)} in flight: at a round-trip time of 10 ms that is ${bytes(most * 100)} a second`
  return warn(check, figure, reason, sysctlFix(check, '4096 131072 6291456'))
}

function tcpMemory([, pressure = 0, most = 0]: readonly number[], { clients }: HostLoad): Finding {
  const check = 'net.ipv4.tcp_mem'
  const held = Math.ceil((clients * advisedLowatBytes) / pageBytes)
  const figure = `pressure at ${bytes(pressure * pageBytes)}, maximum ${bytes(most * pageBytes)}`
  const all = `${grouped(clients)} stalled clients hold ${bytes(held * pageBytes)}`
  if (held <= pressure) return pass(check, figure, `${all}, which is below`)
  const reason = `${all} with tcp_notsent_lowat set: above the pressure mark the kernel shrinks every socket's buffers, and above the maximum drops packets`
  return warn(check, figure, reason, sysctlFix(check, `${held} ${Math.ceil(held * 1.33)} ${held * 2}`))
}

function conntrack({ sysctls }: HostFacts, { clients }: HostLoad): Finding {
  const check = 'net.netfilter.nf_conntrack_max'
  const most = sysctls.get(check)?.[0]
  if (most === undefined) {
    return unknown(
      check,
      'connection tracking is not loaded here, which is fine, or belongs to the host of this container',
      `sysctl ${check} on the host itself`,
    )
  }
  const used = sysctls.get('net.netfilter.nf_conntrack_count')?.[0] ?? 0
  const figure = `${grouped(most)}, ${grouped(used)} in use`
  const needed = clients + used
  const fix = sysctlFix(check, roundUp(2 * needed))
  if (needed > most) {
    return fail(
      check,
      figure,
      `${grouped(clients)} clients need an entry each if a firewall tracks them, and without a free entry packets are dropped`,
      fix,
    )
  }
  if (needed > most / 2)
    return warn(
      check,
      figure,
      'after a reconnect storm, entries of closed connections stay for two minutes: there is no room for two for each client',
      fix,
    )
  return pass(check, figure, 'room for two entries for each client, if a firewall tracks connections')
}

function queues({ cards, cpus }: HostFacts): Finding {
  const check = 'network queues'
  if (cards.length === 0)
    return unknown(
      check,
      '/sys/class/net shows no network card: it belongs to the host of this container',
      'ls /sys/class/net/*/queues',
    )
  const figure = cards
    .map(({ name, receiveQueues }) => `${name}: ${counted(receiveQueues, 'receive queue')}`)
    .join(', ')
  const narrow = cards.find(({ receiveQueues, spread }) => receiveQueues < 2 && !spread)
  if (narrow === undefined || cpus < 2) return pass(check, figure, 'network interrupts are spread over the CPUs')
  const mask = (2 ** Math.min(cpus, 32) - 1).toString(16)
  const all = `echo ${mask} > /sys/class/net/${narrow.name}/queues/rx-0/rps_cpus`
  const reason = `one of ${cpus} CPUs handles everything that ${narrow.name} receives, and is the first to be overloaded`
  return warn(check, figure, reason, `ethtool -L ${narrow.name} combined ${cpus}; if the card has one queue: ${all}`)
}
