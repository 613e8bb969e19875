/** Form of an event's data for JSON clients: inline JSON, a string, or base64. */
export type DataForm = 'json' | 'text' | 'base64'

/**
 * Returns the form that the content type implies. JSON: application/json and any +json. Text:
 * text/* in UTF-8, which is also the default charset. Data whose bytes don't match its form is
 * sent as base64; the caller checks that.
 */
export function dataForm(contentType: string): DataForm {
  if (contentType === 'application/json') return 'json'
  if (contentType === '') return 'base64'
  const semicolon = contentType.indexOf(';')
  const essence = (semicolon === -1 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase()
  if (essence === 'application/json' || (essence.includes('/') && essence.endsWith('+json'))) return 'json'
  if (!essence.startsWith('text/')) return 'base64'
  const charset = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(contentType)?.[1]?.toLowerCase() ?? 'utf-8'
  return charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii' ? 'text' : 'base64'
}
