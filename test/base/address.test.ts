import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressGroup, addressText } from '../../src/base/address.ts'

const bytes = (...values: number[]) => new Uint8Array(values).buffer

test('addresses are formatted as text, IPv4 within IPv6 as IPv4', () => {
  assert.equal(addressText(bytes(192, 0, 2, 7)), '192.0.2.7')
  assert.equal(addressText(bytes(...Array(10).fill(0), 0xff, 0xff, 192, 0, 2, 7)), '192.0.2.7')
  assert.equal(addressText(bytes(0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 1)), '2001:db8:0:0:0:0:0:1')
  assert.equal(addressText(bytes()), '')
})

test('IPv6 addresses of one /64 network are one group, each IPv4 address is its own', () => {
  assert.equal(addressGroup('192.0.2.7'), '192.0.2.7')
  assert.equal(addressGroup('::ffff:192.0.2.7'), '192.0.2.7')
  for (const one of ['2001:db8::1', '2001:db8:0:0:1::', '2001:db8:0:0:ffff:1:2:3', '2001:db8::1:2:3:4']) {
    assert.equal(addressGroup(one), '2001:db8:0:0', one)
  }
  assert.equal(addressGroup('2001:db8:0:1::1'), '2001:db8:0:1')
  assert.equal(addressGroup('::1'), '0:0:0:0')
  assert.equal(addressGroup('fe80::'), 'fe80:0:0:0')
  assert.equal(addressGroup('1::2:3:4:5:6:7'), '1:0:2:3')
})
