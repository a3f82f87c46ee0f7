"""Tokenward's messages of Envoy's external authorization beside Envoy's own (package xds-protos): prints what differs."""

import sys

from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf import descriptor_pb2

PACKAGES = ("envoy.", "google.rpc")


def messages(scope, inside):
    for message in inside.message_type if hasattr(inside, "message_type") else inside.nested_type:
        name = f"{scope}.{message.name}"
        yield name, message
        yield from messages(name, message)


def enums(scope, inside):
    for enum in inside.enum_type:
        yield f"{scope}.{enum.name}", enum
    for message in inside.message_type if hasattr(inside, "message_type") else inside.nested_type:
        yield from enums(f"{scope}.{message.name}", message)


def shape(field):
    return field.name, field.number, field.type, field.label, field.type_name, field.HasField("oneof_index")


def main():
    pool = external_auth_pb2.DESCRIPTOR.pool
    ours = descriptor_pb2.FileDescriptorSet.FromString(open(sys.argv[1], "rb").read())
    files = [file for file in ours.file if file.package.startswith(PACKAGES)]
    compared = 0
    for file in files:
        for name, message in messages(file.package, file):
            theirs = descriptor_pb2.DescriptorProto()
            pool.FindMessageTypeByName(name).CopyToProto(theirs)
            known = {shape(field) for field in theirs.field}
            for field in message.field:
                compared += 1
                if shape(field) not in known:
                    print(f"{name}: {shape(field)} is not one of {sorted(known)}")
        for name, enum in enums(file.package, file):
            known = {value.name: value.number for value in pool.FindEnumTypeByName(name).values}
            for value in enum.value:
                compared += 1
                if known.get(value.name) != value.number:
                    print(f"{name}: {value.name} = {value.number}")
        for service in file.service:
            theirs = pool.FindServiceByName(f"{file.package}.{service.name}")
            for method in service.method:
                compared += 1
                known = theirs.methods_by_name[method.name]
                if (f".{known.input_type.full_name}", f".{known.output_type.full_name}") != (
                    method.input_type,
                    method.output_type,
                ):
                    print(f"{service.name}.{method.name}")
    print(compared)


if __name__ == "__main__":
    main()
