import $protobuf from 'protobufjs/minimal.js'

/**
 * Makes protobufjs use numbers for 64-bit integers; left alone it decodes them to `Long` objects, whatever its typings
 * say. A module of its own because it must have run before the generated code is loaded, which keeps a `Long` as the
 * default of each absent field otherwise.
 */
$protobuf.util.Long = undefined as never
$protobuf.configure()
