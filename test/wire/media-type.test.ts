import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dataForm } from '../../src/wire/media-type.ts'
import { isProtobufType } from '../../src/wire/protobuf-type.ts'

test('application/json and every +json are JSON, in any case and with any parameters', () => {
  for (const type of [
    'application/json',
    'Application/JSON; charset=utf-8',
    'application/cloudevents+json',
    'a/b+JSON;v=1',
  ]) {
    assert.equal(dataForm(type), 'json', type)
  }
})

test('text/* is text if it is UTF-8', () => {
  for (const type of [
    'text/plain',
    'TEXT/html; charset="UTF-8"',
    'text/csv;charset=us-ascii',
    'text/plain; format=flowed',
  ]) {
    assert.equal(dataForm(type), 'text', type)
  }
  assert.equal(dataForm('text/plain; charset=iso-8859-1'), 'base64')
})

test('any other type, or none, is base64', () => {
  for (const type of [
    '',
    'application/octet-stream',
    'image/png',
    'json',
    'application/jsonp',
    'xtext/plain',
    '+json',
  ]) {
    assert.equal(dataForm(type), 'base64', type)
  }
})

test("protobuf's content types are recognised in bytes, in any case and with any parameters", () => {
  const isProtobuf = (type: string) => isProtobufType(Buffer.from(`x${type}f`), 1, 1 + type.length)
  for (const type of [
    'application/x-protobuf',
    'Application/Protobuf; messageType=a.B',
    'application/vnd.google.protobuf ;x=y',
  ]) {
    assert.equal(isProtobuf(type), true, type)
  }
  for (const type of ['', 'application/json', 'application/protobuffer', 'application/protobu']) {
    assert.equal(isProtobuf(type), false, type)
  }
})
