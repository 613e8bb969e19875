/** How a JSON client is given an event's data: JSON as it is, text as a string, anything else in base64. */
export type DataForm = 'json' | 'text' | 'base64'

/**
 * JSON: application/json and any +json. Text: text/* in UTF-8, which is also what no charset means. What the bytes really
 * are is another question: data that is not of its form goes as base64.
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
