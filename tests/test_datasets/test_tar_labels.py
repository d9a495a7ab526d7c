"""Labels that lie in shards, beside the pictures."""

import pytest
from hostile_tars import shard
from odd_pictures import encoded

from ccmim_mm.datasets.layouts import find_layout
from ccmim_mm.datasets.listing import list_pictures

PNG = encoded('PNG')


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    # A folder beside shards would not be of them.
    cache = tmp_path_factory.mktemp('cache')
    monkeypatch.setenv('XDG_CACHE_HOME', str(cache))


def labels(root):
    listing = list_pictures(root)
    classes, found = listing.classes()
    assert len(found) == len(listing)
    return {listing[i]: classes[label] for i, label in enumerate(found)}


LABELS = {
    'numbers': ({'a.cls': '1', 'b.cls': ' 0\n', 'c.cls': '10'}, '1 0 10'),
    'names': ({'a.cls': 'tabby cat', 'b.cls': '7', 'c.cls': 'ü'},
              'tabby cat|7|ü'),
    'json': ({'a.json': '{"label": 3}', 'b.json': '{"cls": 4, "x": 1}',
              'c.json': '{"class": 3}'}, '3 4 3'),
    'cls before json': ({f'{n}.{e}': c for n in 'abc' for e, c in
                         (('json', '{"label": 3}'), ('cls', '8'))}, '8 8 8'),
}  # fmt: skip


@pytest.mark.parametrize('kind', LABELS)
def test_labels_lie_beside_the_pictures(kind, tmp_path):
    given, expected = LABELS[kind]
    split = expected.split('|' if '|' in expected else None)
    shard(tmp_path / 'x.tar', {f'{n}.png': PNG for n in 'bac'} | given)
    assert labels(tmp_path) == dict(zip(('a.png', 'b.png', 'c.png'), split,
                                        strict=True))  # fmt: skip


def test_labels_are_of_the_key_up_to_the_first_dot(tmp_path):
    given = {'v1.0/a.seg.png': PNG, 'v1.0/a.cls': '4', 'v1.0/b.png': PNG}
    shard(tmp_path / 'x.tar', given | {'v1.0/b.cls': '5'})
    assert list(labels(tmp_path).values()) == ['4', '5']


def test_numbers_sort_as_such_and_are_named_by_a_file(tmp_path):
    given = {f'{i}.png': PNG for i in range(12)}
    given |= {f'{i}.cls': f'{i}' for i in range(12)}
    shard(tmp_path / 'x.tar', given)
    classes, found = list_pictures(tmp_path).classes()
    assert classes == [str(i) for i in range(12)]
    # Pictures sort by name, 10 before 2.
    assert found.tolist() == [0, 1, 10, 11, *range(2, 10)]
    (tmp_path / 'classes.json').write_text('["cat", "dog"]')
    with pytest.raises(ValueError, match='names no 12 classes'):
        list_pictures(tmp_path).classes()
    (tmp_path / 'classes.json').write_text(f'{[*"abcdefghijkl"]}'.replace(
        "'", '"'))  # fmt: skip
    assert list_pictures(tmp_path).classes()[0] == [*'abcdefghijkl']


@pytest.mark.parametrize('content', ['', '-1', b'n' * (2 << 20)])
def test_a_label_that_is_none_is_refused(content, tmp_path):
    good = {'a.png': PNG, 'a.cls': '1', 'b.png': PNG}
    shard(tmp_path / 'x.tar', good | {'b.cls': content})
    with pytest.raises(ValueError, match=r'x\.tar: b\.png: its label'):
        list_pictures(tmp_path).classes()
    shard(tmp_path / 'x.tar', good)
    with pytest.raises(ValueError, match=r'x\.tar: b\.png has no label'):
        list_pictures(tmp_path).classes()


def test_what_has_no_labels_is_told_apart(tmp_path):
    captions = {'a.json': '{"caption": "x"}', 'b.json': 'no JSON'}
    shard(tmp_path / 'train/x.tar', {'a.png': PNG, 'b.png': PNG} | captions)
    shard(tmp_path / 'val/x.tar', {'a.png': PNG, 'a.cls': '0'})
    layout = find_layout(tmp_path)
    assert layout.val is None and 'without one' in layout.reason
    with pytest.raises(ValueError, match='labels need'):
        list_pictures(tmp_path / 'train').classes()
