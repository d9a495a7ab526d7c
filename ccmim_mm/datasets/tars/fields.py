"""What the fields of a tar's header say."""


def name_of(header: bytes) -> bytes:
    """A member's name, with the prefix that ustar keeps elsewhere."""
    name = header[:100].partition(b'\0')[0]
    if header[345] and header[257:263] == b'ustar\0':
        return header[345:500].partition(b'\0')[0] + b'/' + name
    return name


def number(field: bytes) -> int:
    """A number of a header: octal, or base-256 with the top bit set.

    Raises:
        ValueError: If it is neither.
    """
    if field[0] >= 0x80:
        value = int.from_bytes(field, 'big', signed=True)
        # Positive ones have no more than the top bit for a mark.
        mark = 1 << (8 * len(field) - 1)
        return value if field[0] == 0xFF else value + mark
    text = field.partition(b'\0')[0].strip()
    if text and not text.isdigit():
        raise ValueError('a number that is none')
    return int(text or b'0', 8)


def decimal(text: bytes) -> int:
    """A size of a PAX header.

    Raises:
        ValueError: If it is none.
    """
    if not text.isdigit() or len(text) > 20:
        raise ValueError('a size that is none')
    return int(text)


def check_sum(header: bytes) -> None:
    """Compare the sum of a header's bytes, its own field as blanks.

    Raises:
        ValueError: If it differs.
    """
    field = header[148:156]
    # Most bytes are zero, and a sum of fewer takes a quarter of the time.
    found = sum(header.replace(b'\0', b'')) - sum(field) + 8 * 32
    told = number(field)
    if found != told:
        # Some old tars summed signed bytes.
        others = header[:148] + header[156:]
        if found - 256 * sum(byte > 127 for byte in others) != told:
            raise ValueError('the checksum of its header')


def records(data: bytes) -> dict[bytes, bytes]:
    """What a PAX header says: ``LENGTH KEY=VALUE``, one a line.

    Raises:
        ValueError: If it is not of that form.
    """
    found, place = {}, 0
    while place < len(data) and data[place]:
        digits, _, _ = data[place : place + 9].partition(b' ')
        length = int(digits) if digits.isdigit() else 0
        record = data[place + len(digits) + 1 : place + length]
        key, equals, value = record.partition(b'=')
        whole = equals and key and place + length <= len(data)
        if not whole or record[-1] != ord('\n'):
            raise ValueError('an extended header')
        found[key] = value[:-1]
        place += length
    return found
