"""Curves of one run and of several."""

import pytest
from matplotlib.figure import Figure
from PIL import Image
from run_helpers import a_run

from ccmim_mm.apis.curves import draw_curves
from ccmim_tools import curves as command


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are saved."""
    figures = []
    save = Figure.savefig

    def keep(self, *args, **kwargs):
        save(self, *args, **kwargs)
        figures.append(self)

    monkeypatch.setattr(Figure, 'savefig', keep)
    return figures


def plots(figure):
    return {axis.get_title(): axis for axis in figure.axes}


def points(line):
    return [*zip(*line.get_data(), strict=True)]


def test_a_run_has_a_plot_for_each_kind_of_figure(tmp_path, drawn):
    draw_curves([a_run(tmp_path / 'run')], tmp_path / 'a.png', 'iterations')
    axes = plots(drawn[0])
    assert [*axes] == [
        'reconstruction loss',
        'alignment',
        'learning rate',
        'frozen features',
        'directions used, RankMe',
        'decay of the spectrum, alpha-ReQ',
    ]
    (loss,) = axes['reconstruction loss'].lines
    assert points(loss) == [(10, 0.5), (20, 0.25), (30, 0.5 / 3)]
    (knn,) = axes['frozen features'].lines
    assert points(knn) == [(0, 40), (30, 70), (40, 50)]
    (rank,) = axes['directions used, RankMe'].lines
    assert points(rank) == [(0, 8), (30, 8)]
    with Image.open(tmp_path / 'a.png') as image:
        assert image.format == 'PNG'


def test_no_legend_covers_a_line(tmp_path, drawn):
    runs = [a_run(tmp_path / name, rate=i) for i, name in enumerate('ab')]
    draw_curves(runs[:1], tmp_path / 'one.png', 'iterations')
    draw_curves(runs, tmp_path / 'two.png', 'iterations')
    assert len(drawn) == 2
    for figure in drawn:
        legends = [axis.get_legend() for axis in figure.axes]
        legends = [*filter(None, legends), *figure.legends]
        assert legends
        for legend in legends:
            box = legend.get_window_extent()
            assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
            assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1
            for axis in figure.axes:
                assert not box.overlaps(axis.get_window_extent())


def test_several_runs_are_told_apart(tmp_path, drawn):
    """By colour, and named by what their paths do not share."""
    runs = [
        a_run(tmp_path / 'study/mae/seed_0', 'MAE', 0.3),
        a_run(tmp_path / 'study/ccmim/seed_0', evaluated=False),
    ]
    draw_curves(runs, tmp_path / 'a.png', 'minutes')
    (legend,) = drawn[0].legends
    assert [t.get_text() for t in legend.get_texts()] == ['mae', 'ccmim']
    axes = plots(drawn[0])
    mae, ccmim = axes['reconstruction loss'].lines
    assert mae.get_color() != ccmim.get_color()
    # 3 s an iteration
    assert points(mae)[0] == (0.5, 0.3) and points(ccmim)[0] == (0.5, 0.5)
    # Of what one alone has the other has no line.
    assert [line.get_color() for line in axes['frozen features'].lines] == [
        mae.get_color()
    ]
    assert 'alignment' in axes


def test_names_with_dollars_are_no_formulas(tmp_path, drawn):
    runs = [a_run(tmp_path / name) for name in ('a_$x^{$', r'b_$\frac$')]
    draw_curves(runs, tmp_path / 'a.png', 'iterations')
    (legend,) = drawn[0].legends
    named = [text.get_text() for text in legend.get_texts()]
    assert named == [r'a_\$x^{\$', r'b_\$\frac\$']


def test_mistakes_are_told(tmp_path, monkeypatch):
    run = a_run(tmp_path / 'run')
    out = str(tmp_path / 'out.png')

    def refused(*arguments):
        monkeypatch.setattr('sys.argv', ['curves', *map(str, arguments)])
        with pytest.raises(SystemExit) as error:
            command.main()
        return str(error.value)

    assert 'give the work dir of a run' in refused(tmp_path / 'none')
    (tmp_path / 'empty').mkdir()
    line = refused(tmp_path / 'empty', '--out', out)
    assert 'no log of a training' in line and 'LocalVisBackend in' in line
    assert 'given twice' in refused(run, run, '--out', out)
    many = [a_run(tmp_path / f'run_{i}') for i in range(11)]
    assert '11 runs, and 10 colours' in refused(*many, '--out', out)
    (tmp_path / 'out.png').write_text('mine')
    assert 'left untouched' in refused(run, '--out', out)
    assert (tmp_path / 'out.png').read_text() == 'mine'
    (run / 'summary.json').write_text('{')
    assert 'damaged' in refused(run, '--out', tmp_path / 'other.png')
