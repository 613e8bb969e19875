import { execFile } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { guardFolder } from '../process/guarded.ts'

export interface Certificate {
  readonly folder: string
  readonly certFile: string
  readonly keyFile: string
}

/** Creates a self-signed certificate for this run. Rejects where `openssl` is missing. */
export async function makeCertificate(): Promise<Certificate> {
  const folder = mkdtempSync(join(tmpdir(), 'carillon-bench-tls-'))
  guardFolder(folder)
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile]
  try {
    await promisify(execFile)('openssl', [
      'req',
      '-x509',
      ...key,
      '-out',
      certFile,
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
    ])
  } catch (error) {
    throw new Error(`--tls needs the program openssl to create a certificate: ${(error as Error).message}`)
  }
  return { folder, certFile, keyFile }
}
