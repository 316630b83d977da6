/** The plots of what waiting costs, over the number of those who wait. Drawn by echarts, without a browser. */
import { LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

echarts.use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

type Points = readonly (readonly [waiters: number, value: number])[];

export interface Line {
  readonly name: string;
  readonly requests: Points;
  readonly time: Points;
}

/** Ours stand out; hue and mark tell the peers apart, so that no colour alone does it. */
const kinds = [
  {
    of: /^dlock-js/,
    width: 3.5,
    dash: 'solid',
    colors: ['#c2410c', '#ea7317', '#f2a65a', '#7c2d12'],
  },
  { of: /^(raw|async-mutex)/, width: 1.5, dash: 'dashed', colors: ['#555555', '#a3a3a3'] },
  {
    of: /./,
    width: 1.5,
    dash: 'solid',
    colors: ['#3a6ea5', '#2f8f83', '#7a5ea8', '#8a6d3b', '#b0568f'],
  },
] as const;
const marks = ['circle', 'rect', 'triangle', 'diamond', 'roundRect'];

export interface Axes {
  /** What is counted from left to right. */
  readonly count: string;
  /** The title of the second panel. */
  readonly time: string;
  /** Where its axis begins. */
  readonly shortest: number;
}

/** Two panels side by side: the requests a section, and some time. */
export function plot(lines: readonly Line[], { count, time, shortest }: Axes): string {
  const panels = [
    { of: 'requests', title: 'Requests a section', left: 60 },
    { of: 'time', title: time, left: 510 },
  ] as const;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 940, height: 460 });
  const axis = {
    type: 'log',
    axisLine: { onZero: false },
    minorSplitLine: { show: false },
  } as const;
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: 'sans-serif' },
    title: panels.map(({ title, left }) => ({
      text: title,
      left: left - 10,
      top: 10,
      textStyle: { fontSize: 14, fontWeight: 600 },
    })),
    legend: {
      data: lines.map(({ name }) => name),
      bottom: 8,
      left: 'center',
      width: 900,
      itemGap: 22,
    },
    grid: panels.map(({ left }) => ({ left, width: 390, top: 50, bottom: 120 })),
    xAxis: panels.map((_, gridIndex) => ({
      ...axis,
      gridIndex,
      name: count,
      nameLocation: 'middle',
      nameGap: 28,
    })),
    yAxis: panels.map((_, gridIndex) => ({
      ...axis,
      gridIndex,
      min: gridIndex === 0 ? 1 : shortest,
    })),
    series: panels.flatMap(({ of }, panel) =>
      lines
        .filter((line) => line[of].length > 0)
        .map((line) => ({ ...look(line, lines), ...at(panel), name: line.name, data: line[of] })),
    ) as echarts.EChartsCoreOption[],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

function at(panel: number) {
  return { type: 'line', xAxisIndex: panel, yAxisIndex: panel } as const;
}

function look(line: Line, lines: readonly Line[]) {
  const kind = kindOf(line);
  const place = lines.filter((each) => kindOf(each) === kind).indexOf(line);
  const color = kind?.colors[place];
  if (!color) throw new RangeError(`There is no colour for ${line.name}`);
  return {
    symbol: marks[place] ?? 'circle',
    symbolSize: 8,
    lineStyle: { width: kind?.width ?? 1, type: kind?.dash ?? 'solid', color },
    itemStyle: { color },
    z: kind === kinds[0] ? 3 : 2,
  };
}

function kindOf({ name }: Line) {
  return kinds.find(({ of }) => of.test(name));
}
