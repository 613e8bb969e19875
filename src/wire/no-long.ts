import $protobuf from 'protobufjs/minimal.js'

/**
 * Makes protobufjs use numbers for 64-bit integers; by default it decodes them to `Long` objects,
 * despite its typings. This is a separate module because it must run before the generated code
 * loads: that code stores a `Long` as the default of each absent field.
 */
$protobuf.util.Long = undefined as never
$protobuf.configure()
