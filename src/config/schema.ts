import { z } from 'zod'
import { type Form, group, type Setting, type TextRule } from '../base/setting.ts'
import { type Config, settings } from './config.ts'

/** Validates a whole configuration and fills in the defaults. */
export const configSchema = schemaOf(group(settings)) as z.ZodType<Config>

/** Returns the JSON Schema of the configuration file. */
export function jsonSchema(): unknown {
  return z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' })
}

export function schemaOf(form: Form): z.ZodType {
  switch (form.kind) {
    case 'whole':
      return z.int().min(form.least).max(form.most)
    case 'switch':
      return z.boolean()
    case 'choice':
      return z.enum(form.of)
    case 'text':
      return textSchema(form.rule)
    case 'list':
      return listSchema(schemaOf(form.each), form.least, form.most)
    case 'table':
      return z.record(z.string().regex(form.names), schemaOf(form.each))
    case 'group':
      return z.strictObject(
        Object.fromEntries(Object.entries(form.settings).map(([name, each]) => [name, settingSchema(each)])),
      )
    case 'either':
      return z.union(form.forms.map(schemaOf), { error: form.expected })
  }
}

function settingSchema(setting: Setting): z.ZodType {
  const schema = presence(schemaOf(setting.form), setting)
  return setting.about === '' ? schema : schema.describe(setting.about)
}

function presence(schema: z.ZodType, { default: value, written, isRequired }: Setting): z.ZodType {
  if (written !== undefined) return schema.prefault(written)
  if (value !== undefined) return schema.default(structuredClone(value))
  return isRequired ? schema : schema.optional()
}

function textSchema({ least, most, pattern, expected, check }: TextRule): z.ZodString {
  let schema = z.string()
  if (least !== undefined) schema = schema.min(least)
  if (most !== undefined) schema = schema.max(most)
  if (pattern !== undefined) schema = schema.regex(pattern, expected)
  return check === undefined ? schema : schema.superRefine(passes(check))
}

function listSchema(each: z.ZodType, least: number, most: number): z.ZodType {
  const schema = least === 0 ? z.array(each) : z.array(each).min(least)
  return Number.isFinite(most) ? schema.max(most) : schema
}

/** Runs a check that throws, and reports its message. */
function passes(check: (text: string) => void) {
  return (text: string, context: z.RefinementCtx<string>) => {
    try {
      check(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
    }
  }
}
